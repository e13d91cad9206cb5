-- Versions compare as numbers: Lua's own string order depends on the server's locale.
-- compare: 1 newer than what is kept (or nothing sound is kept), 0 the same version, -1 older; and what is kept.
local function compare(value, key)
  local old = redis.pcall('GET', key)
  if type(old) ~= 'string' or #old < 25 then
    if type(old) == 'table' then redis.call('DEL', key) end
    return 1, ''
  end
  if string.sub(old, 1, 20) == string.sub(value, 1, 20) then return 0, old end
  local a, b = {struct.unpack('>I4I4I4I4I4', value)}, {struct.unpack('>I4I4I4I4I4', old)}
  for i = 1, 5 do
    if a[i] > b[i] then return 1, old end
    if a[i] < b[i] then return -1, old end
  end
  return 0, old
end

local function put(key, value, life)
  if life == '0' then redis.call('SET', key, value) else redis.call('SET', key, value, 'PX', life) end
end
