-- Stores the follower's status with the time by Redis' clock, so that no host's clock matters.
-- KEYS: status. ARGV: the status, JSON.
local time = redis.call('TIME')
redis.call('SET', KEYS[1], time[1] .. string.format('%06d', time[2]) .. ' ' .. ARGV[1])
