-- What the follower said last, and how many microseconds ago. KEYS: status. Answers {when, age, what} or nothing.
local kept = redis.pcall('GET', KEYS[1])
if type(kept) ~= 'string' then return nil end
local at, said = string.match(kept, '^(%d+) (.*)$')
if not at then return nil end
local time = redis.call('TIME')
return {at, string.format('%.0f', time[1] * 1000000 + time[2] - tonumber(at)), said}
