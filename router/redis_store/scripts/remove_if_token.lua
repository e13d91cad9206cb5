-- Take out what was done, unless it was noted again since. KEYS: hash. ARGV: field, token, field, token, …
local gone = 0
for index = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[index]) == ARGV[index + 1] then
    gone = gone + redis.call('HDEL', KEYS[1], ARGV[index])
  end
end
return gone
