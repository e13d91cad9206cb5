-- Stores entries that a lookup or the number manager read, unless newer ones are stored.
-- KEYS: the database's hash, the set of its orphans, then an entry each. Orphans are entries of a database that no
-- follower knows yet: no checkpoint would show that it was rebuilt, so a follower removes them when it begins.
-- ARGV: the epoch read before the database, whether to keep every value but a negative one (1 or 0; where a follower
-- knows the database), then (value, TTL in ms) each.
-- Returns how many were stored; -1 when the database was rebuilt in between.
local epoch = redis.call('HGET', KEYS[1], 'epoch') or ''
if epoch ~= ARGV[1] then return -1 end
local keeps = ARGV[2] == '1' and epoch ~= ''
local count = 0
for i = 3, #KEYS do
  local value, ttl = ARGV[2 * i - 3], ARGV[2 * i - 2]
  local order, old = compare(value, KEYS[i])
  local is_negative = string.sub(old, 21, 21) == 'N'
  if (order > 0 and (not keeps or old == '' or is_negative)) or (order == 0 and is_negative) then
    put(KEYS[i], value, ttl)
    count = count + 1
    if epoch == '' then
      redis.call('SADD', KEYS[2], KEYS[i])
      -- The set outlives its longest member; negative entries live for seconds only.
      if redis.call('PTTL', KEYS[2]) < ttl * 2 then redis.call('PEXPIRE', KEYS[2], ttl * 2) end
    end
  end
end
return count
