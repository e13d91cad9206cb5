-- Applies a batch of one database's changes and moves its checkpoint, in one transaction.
-- KEYS: the database's hash, then an entry for each change.
-- ARGV: fencing token, epoch, checkpoint before, checkpoint after, now, pending, then (value, TTL in ms, 0 for none) each.
-- Returns {"ok", indexes of values older than the stored ones}, or {"fenced"} or {"checkpoint_conflict"}.
local state = redis.call('HMGET', KEYS[1], 'fence', 'epoch', 'seq')
if (tonumber(state[1] or '0') or 0) > tonumber(ARGV[1]) then return {'fenced'} end
if (state[2] or '') ~= ARGV[2] or (state[3] or '') ~= ARGV[3] then return {'checkpoint_conflict'} end
local reply = {'ok'}
for i = 2, #KEYS do
  local value, ttl = ARGV[2 * i + 3], ARGV[2 * i + 4]
  local order, old = compare(value, KEYS[i])
  if order < 0 then
    reply[#reply + 1] = i - 2
    -- Recorded until the database names the winner: the checkpoint moves past this change.
    redis.call('HSET', KEYS[1], 'older:' .. KEYS[i], string.sub(value, 1, VERSION))
  elseif order == 0 and string.sub(old, 26) == string.sub(value, 26) and string.sub(old, 21, 21) == string.sub(value, 21, 21) then
    -- The same answer again (a replay): not written, so that no near cache is invalidated needlessly.
    if ttl == '0' then redis.call('PERSIST', KEYS[i]) end
  else
    put(KEYS[i], value, ttl)
  end
end
redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'seq', ARGV[4], 'at', ARGV[5], 'pending', ARGV[6])
return reply
