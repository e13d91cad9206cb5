-- Writes a value where exactly the expected version is stored, although it may be older: a conflict was resolved
-- towards a lower generation, or the database was recreated.
-- KEYS: the database's hash, an entry. ARGV: fencing token, epoch, expected version, value, TTL in ms.
local state = redis.call('HMGET', KEYS[1], 'fence', 'epoch')
if (tonumber(state[1] or '0') or 0) > tonumber(ARGV[1]) or (state[2] or '') ~= ARGV[2] then return 0 end
local old = redis.pcall('GET', KEYS[2])
if sound(old) and string.sub(old, 1, 20) ~= ARGV[3] then return 0 end
put(KEYS[2], ARGV[4], ARGV[5])
return 1
