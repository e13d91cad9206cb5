-- Applies changes of a followed database that is no number database, and publishes each to the workers.
-- KEYS: the database's hash, the documents' hash.
-- ARGV: fencing token, epoch, checkpoint before, checkpoint after, now, pending, channel, database,
--       then (document id, value) each; a value begins with its version.
-- Returns {"ok", indexes of values older than the stored ones}, or {"fenced"} or {"checkpoint_conflict"}.
local state = redis.call('HMGET', KEYS[1], 'fence', 'epoch', 'seq')
if (tonumber(state[1] or '0') or 0) > tonumber(ARGV[1]) then return {'fenced'} end
if (state[2] or '') ~= ARGV[2] or (state[3] or '') ~= ARGV[3] then return {'checkpoint_conflict'} end
-- Redis may have lost the documents and kept the checkpoint: then they are read again as a whole.
if redis.call('HGET', KEYS[2], '') ~= ARGV[2] then
  redis.call('HDEL', KEYS[1], 'seq', 'complete', 'epoch')
  return {'checkpoint_conflict'}
end
local reply = {'ok'}
for i = 9, #ARGV, 2 do
  local old = redis.call('HGET', KEYS[2], ARGV[i])
  if old and #old >= VERSION and order(ARGV[i + 1], old) < 0 then
    reply[#reply + 1] = (i - 9) / 2
    redis.call('HSET', KEYS[1], 'older:' .. ARGV[i], string.sub(ARGV[i + 1], 1, VERSION))
  else
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
    redis.call('PUBLISH', ARGV[7], ARGV[8] .. '\0' .. ARGV[i] .. '\0' .. ARGV[i + 1])
  end
end
redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'seq', ARGV[4], 'at', ARGV[5], 'pending', ARGV[6])
return reply
