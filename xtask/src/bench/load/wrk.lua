-- Tells what wrk measured, before it makes up what it thinks it has missed. Each thread has one connection.
local ffi = require("ffi")
ffi.cdef[[
  typedef struct { long seconds; long micros; } moment;
  int gettimeofday(moment *now, void *zone);
]]
local moment = ffi.new("moment")

local function now()
  ffi.C.gettimeofday(moment, nil)
  return tonumber(moment.seconds) * 1e6 + tonumber(moment.micros)
end

times = {}
local sent = 0

function request()
  sent = now()
  return wrk.format()
end

function response()
  times[#times + 1] = now() - sent
end

local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function done()
  local all = {}
  for _, thread in ipairs(threads) do
    for _, time in ipairs(thread:get("times")) do
      all[#all + 1] = time
    end
  end
  table.sort(all)
  local function at(quantile)
    return all[math.ceil(#all * quantile)]
  end
  io.write(string.format("measured %d %d %d %d %d\n", #all, at(0.5), at(0.9), at(0.99), all[#all]))
end
