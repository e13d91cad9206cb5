-- Writes one followed document where exactly the corrupt value is still stored.
-- KEYS: the database's hash, the documents' hash. ARGV: fencing token, epoch, document id, corrupt value, new
-- value (empty: no such document). Returns 1 when it was written, else 0.
local state = redis.call('HMGET', KEYS[1], 'fence', 'epoch')
if (tonumber(state[1] or '0') or 0) > tonumber(ARGV[1]) or (state[2] or '') ~= ARGV[2] then return 0 end
local found = redis.call('HMGET', KEYS[2], '', ARGV[3])
if found[1] ~= ARGV[2] or found[2] ~= ARGV[4] then return 0 end
if ARGV[5] == '' then redis.call('HDEL', KEYS[2], ARGV[3]) else redis.call('HSET', KEYS[2], ARGV[3], ARGV[5]) end
return 1
