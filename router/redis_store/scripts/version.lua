-- Versions compare as numbers: Lua's own string order depends on the server's locale.
-- order: 1 where the first of two values has the newer version, 0 the same, -1 the older; both hold a whole version.
local function order(value, old)
  if string.sub(old, 1, VERSION) == string.sub(value, 1, VERSION) then return 0 end
  local a, b = {struct.unpack('>I4I4I4I4I4', value)}, {struct.unpack('>I4I4I4I4I4', old)}
  for i = 1, 5 do
    if a[i] > b[i] then return 1 end
    if a[i] < b[i] then return -1 end
  end
  return 0
end

