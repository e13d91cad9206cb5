-- Removes fields whose token is unchanged. KEYS: hash. ARGV: field, token, field, token, …
-- Returns how many were removed.
local removed = 0
for index = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[index]) == ARGV[index + 1] then
    removed = removed + redis.call('HDEL', KEYS[1], ARGV[index])
  end
end
return removed
