-- Keep what a reader or a writer of the database saw, unless something newer is kept.
-- KEYS: the database's hash, then an entry each.
-- ARGV: the epoch seen before the database was read, then (value, life) each.
-- Answers how many were kept; -1 when the database was rebuilt in between.
local epoch = redis.call('HGET', KEYS[1], 'epoch') or ''
if epoch ~= ARGV[1] then return -1 end
local count = 0
for i = 2, #KEYS do
  local value, life = ARGV[2 * i - 2], ARGV[2 * i - 1]
  local order, old = compare(value, KEYS[i])
  if order > 0 or (order == 0 and string.sub(old, 21, 21) == 'N') then
    put(KEYS[i], value, life)
    count = count + 1
  end
end
return count
