-- Say how the follower is, and when by Redis' clock: nobody else's need agree.
-- KEYS: status. ARGV: the account of itself, JSON.
local time = redis.call('TIME')
redis.call('SET', KEYS[1], time[1] .. string.format('%06d', time[2]) .. ' ' .. ARGV[1])
