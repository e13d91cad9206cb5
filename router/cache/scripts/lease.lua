-- Take or keep the follower's lease.
-- KEYS: lease, token counter. ARGV: owner, life in milliseconds.
-- Answers the fencing token, which only grows, or 0 when somebody else holds the lease.
local holder = redis.call('GET', KEYS[1])
if holder then
  local token, owner = string.match(holder, '^(%d+) (.*)$')
  if owner ~= ARGV[1] then return 0 end
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return tonumber(token)
end
-- Time makes the token grow even when Redis lost its memory.
local time = redis.call('TIME')
local token = time[1] * 1000 + math.floor(time[2] / 1000)
local last = tonumber(redis.call('GET', KEYS[2]) or '0')
if token <= last then token = last + 1 end
redis.call('SET', KEYS[2], string.format('%.0f', token))
redis.call('SET', KEYS[1], string.format('%.0f', token) .. ' ' .. ARGV[1], 'PX', ARGV[2])
return token
