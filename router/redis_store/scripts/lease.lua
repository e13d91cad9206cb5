-- Acquires or renews the follower's lease.
-- KEYS: lease, token counter. ARGV: owner, TTL in milliseconds.
-- Returns the fencing token, which only grows, or 0 when another owner holds the lease.
-- A malformed lease, or one without a TTL, is deleted so that it cannot block election.
local holder = redis.pcall('GET', KEYS[1])
local token, owner
if type(holder) == 'string' then token, owner = string.match(holder, '^(%d+) (.*)$') end
if token and redis.call('PTTL', KEYS[1]) < 0 then token = nil end
if not token and holder then redis.call('DEL', KEYS[1]) end
if token then
  if owner ~= ARGV[1] then return 0 end
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return tonumber(token)
end
-- The clock makes the token grow even when Redis lost the counter.
local time = redis.call('TIME')
local last = redis.pcall('GET', KEYS[2])
last = type(last) == 'string' and tonumber(last) or 0
token = time[1] * 1000 + math.floor(time[2] / 1000)
if token <= last then token = last + 1 end
redis.call('SET', KEYS[2], string.format('%.0f', token))
redis.call('SET', KEYS[1], string.format('%.0f', token) .. ' ' .. ARGV[1], 'PX', ARGV[2])
return token
