-- Keep what a reader or a writer of the database saw, unless something newer is kept.
-- KEYS: the database's hash, the set of its strays, then an entry each. Strays are entries of a database that no
-- follower knows yet: nobody would notice that it was made anew, so whoever begins with it removes them first.
-- ARGV: the epoch seen before the database was read, then (value, life) each.
-- Answers how many were kept; -1 when the database was rebuilt in between.
local epoch = redis.call('HGET', KEYS[1], 'epoch') or ''
if epoch ~= ARGV[1] then return -1 end
local count = 0
for i = 3, #KEYS do
  local value, life = ARGV[2 * i - 4], ARGV[2 * i - 3]
  local order, old = compare(value, KEYS[i])
  if order > 0 or (order == 0 and string.sub(old, 21, 21) == 'N') then
    put(KEYS[i], value, life)
    count = count + 1
    if epoch == '' then
      redis.call('SADD', KEYS[2], KEYS[i])
      -- As long as the longest of them: a number without a document is kept for seconds only.
      if redis.call('PTTL', KEYS[2]) < life * 2 then redis.call('PEXPIRE', KEYS[2], life * 2) end
    end
  end
end
return count
