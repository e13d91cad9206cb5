-- Reads the follower's last status. KEYS: status. Returns {stamp, age in microseconds, JSON} or nil.
local stored = redis.pcall('GET', KEYS[1])
if type(stored) ~= 'string' then return nil end
local at, status = string.match(stored, '^(%d+) (.*)$')
if not at then return nil end
local time = redis.call('TIME')
return {at, string.format('%.0f', time[1] * 1000000 + time[2] - tonumber(at)), status}
