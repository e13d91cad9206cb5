-- Begin a database's life in the cache: a new epoch, no checkpoint. Writers that saw the old epoch are refused.
-- KEYS: the database's hash. ARGV: fencing token, epoch, instance, purge_seq, shape, now.
local fence = redis.call('HGET', KEYS[1], 'fence')
if (tonumber(fence or '0') or 0) > tonumber(ARGV[1]) then return 'fenced' end
redis.call('HDEL', KEYS[1], 'seq', 'complete', 'update_seq')
redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'epoch', ARGV[2], 'instance', ARGV[3], 'purge', ARGV[4],
  'shape', ARGV[5], 'at', ARGV[6], 'pending', '0')
return 'ok'
