-- For wrk: the paths of a file one after the other, then again from the start. They are written out before the load
-- begins, so that making a request costs the generator next to nothing.
local requests, last = {}, 0

function init(args)
    for path in io.lines(args[1]) do
        requests[#requests + 1] = wrk.format("GET", path)
    end
end

function request()
    last = last % #requests + 1
    return requests[last]
end
