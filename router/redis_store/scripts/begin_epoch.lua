-- Begin a database's life in the cache: a new epoch, no checkpoint. Writers that saw the old epoch are refused.
-- KEYS: the database's hash. ARGV: fencing token, epoch, instance, purges, shape, now.
local fence = redis.call('HGET', KEYS[1], 'fence')
if (tonumber(fence or '0') or 0) > tonumber(ARGV[1]) then return 'fenced' end
redis.call('HDEL', KEYS[1], 'seq', 'complete', 'copies')
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(field, 1, 6) == 'older:' then redis.call('HDEL', KEYS[1], field) end
end
redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'epoch', ARGV[2], 'instance', ARGV[3], 'purge', ARGV[4],
  'shape', ARGV[5], 'at', ARGV[6], 'pending', '0')
return 'ok'
