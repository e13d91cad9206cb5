-- Begins a new epoch of a database, without a checkpoint. Writes under the former epoch are refused from now on.
-- KEYS: the database's hash. ARGV: fencing token, epoch, instance_start_time, purge_seq, fingerprint, now.
-- Returns "ok" or "fenced".
local fence = redis.call('HGET', KEYS[1], 'fence')
if (tonumber(fence or '0') or 0) > tonumber(ARGV[1]) then return 'fenced' end
redis.call('HDEL', KEYS[1], 'seq', 'complete', 'copies', 'stuck')
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(field, 1, 6) == 'older:' then redis.call('HDEL', KEYS[1], field) end
end
redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'epoch', ARGV[2], 'instance', ARGV[3], 'purge', ARGV[4],
  'shape', ARGV[5], 'at', ARGV[6], 'pending', '0')
return 'ok'
