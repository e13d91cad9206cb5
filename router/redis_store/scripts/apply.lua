-- Apply a batch of one database's changes and move its checkpoint, all or nothing.
-- KEYS: the database's hash, then an entry for each change.
-- ARGV: fencing token, epoch, checkpoint before, checkpoint after, now, pending, then (value, life) each.
-- Answers {"ok", indexes of what was older than what is kept} or {"fenced"} or {"checkpoint_conflict"}.
local kept = redis.call('HMGET', KEYS[1], 'fence', 'epoch', 'seq')
if (tonumber(kept[1] or '0') or 0) > tonumber(ARGV[1]) then return {'fenced'} end
if (kept[2] or '') ~= ARGV[2] or (kept[3] or '') ~= ARGV[3] then return {'checkpoint_conflict'} end
local answer = {'ok'}
for i = 2, #KEYS do
  local value, life = ARGV[2 * i + 3], ARGV[2 * i + 4]
  local order, old = compare(value, KEYS[i])
  if order < 0 then
    answer[#answer + 1] = i - 2
    -- Kept until it is known which of the two the database means: the checkpoint moves past its row.
    redis.call('HSET', KEYS[1], 'older:' .. KEYS[i], string.sub(value, 1, VERSION))
  elseif order == 0 and string.sub(old, 26) == string.sub(value, 26) and string.sub(old, 21, 21) == string.sub(value, 21, 21) then
    -- The same answer again (a replay): leave it, so that nobody drops it from a near cache for nothing.
    if life == '0' then redis.call('PERSIST', KEYS[i]) end
  else
    put(KEYS[i], value, life)
  end
end
redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'seq', ARGV[4], 'at', ARGV[5], 'pending', ARGV[6])
return answer
