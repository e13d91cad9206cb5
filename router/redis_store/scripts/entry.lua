-- HEADER, VERSION, LENGTH and ACCOUNT are offsets from router/entries/codec.py: they count from 0, Lua's from 1.
-- sound: whether a value can be an entry: of the length in its header, of a known kind, a route with its account
-- first. (is_valid_entry in codec.py checks the checksum too; a reader deletes an entry that fails it.) A value that
-- is no entry must not block one, whatever its first bytes look like.
local function sound(value)
  if type(value) ~= 'string' or #value < HEADER then return false end
  local high, middle, low = string.byte(value, LENGTH + 1, LENGTH + 3)
  if high * 65536 + middle * 256 + low ~= #value - HEADER then return false end
  local kind = string.sub(value, VERSION + 1, VERSION + 1)
  if kind == 'R' then
    local tag, account = string.byte(value, HEADER + 1, HEADER + 2)
    return #value > ACCOUNT and tag == 10 and account > 0 and account <= #value - ACCOUNT
  end
  return kind == 'X' or kind == 'T' or kind == 'N'
end

-- compare: 1 newer than the stored entry (or none is stored), 0 the same version, -1 older; and the stored entry.
local function compare(value, key)
  local old = redis.pcall('GET', key)
  if not sound(old) then
    if type(old) == 'table' then redis.call('DEL', key) end
    return 1, ''
  end
  return order(value, old), old
end

local function put(key, value, ttl)
  if ttl == '0' then redis.call('SET', key, value) else redis.call('SET', key, value, 'PX', ttl) end
end
