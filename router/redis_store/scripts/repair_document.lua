-- Put right one followed document, where exactly the value that is none of ours still stands.
-- KEYS: the database's hash, the documents' hash. ARGV: fencing token, epoch, document id, value found, value; an empty
-- one: there is no such document. Answers whether it was done.
local kept = redis.call('HMGET', KEYS[1], 'fence', 'epoch')
if (tonumber(kept[1] or '0') or 0) > tonumber(ARGV[1]) or (kept[2] or '') ~= ARGV[2] then return 0 end
local found = redis.call('HMGET', KEYS[2], '', ARGV[3])
if found[1] ~= ARGV[2] or found[2] ~= ARGV[4] then return 0 end
if ARGV[5] == '' then redis.call('HDEL', KEYS[2], ARGV[3]) else redis.call('HSET', KEYS[2], ARGV[3], ARGV[5]) end
return 1
