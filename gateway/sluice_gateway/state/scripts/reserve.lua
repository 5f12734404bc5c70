-- Takes all that is asked for, or nothing.
--
-- KEYS: the counter of each charge. ARGV: the last instant at which it is wanted, then for each charge six: its kind, what
-- the limit holds, what is asked for, and
--   window   start, middle and end of two windows, one after the other: this server's clock is in one of them
--   bucket   0 0 0
--   places   id of the lease, milliseconds that it lasts, 0
-- Instants are milliseconds of this server's clock, those of windows seconds.
--
-- Gives {-1, now} when it is too late or no time of the windows, and {0, now, 0, ...} when all was taken. Else
-- {n, now, wait, ...}: of the charges without room the n-th has to wait longest, for so many milliseconds, or -1 when it
-- never will have room. For each charge follow what remains, milliseconds until it is whole again, and what a settlement has
-- to name: the window's start, and when the count began.
--
-- A window's counter is "start began used", a bucket's "began taken at": 60,000 taken are one of what it holds, so that a
-- millisecond brings back as many as it holds, and all stay whole numbers. Places are a sorted set of leases by their end.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now > tonumber(ARGV[1]) then
  return {-1, now}
end

-- Each gives: what remains before and after the charge is taken, milliseconds until the counter is whole before and after,
-- milliseconds until the charge has room, start, began, and the counter's new value.
local look = {}
local elsewhere = false

function look.window(key, most, amount, start, middle, finish)
  start, middle = tonumber(start), tonumber(middle)
  elsewhere = elsewhere or now < start * 1000 or now >= finish * 1000
  local first, second, third = string.match(redis.call('GET', key) or '', '^(%d+) (%d+) (%d+)$')
  if now >= middle * 1000 or tonumber(first) == middle then -- the latter: the clock was set back
    start, middle = middle, tonumber(finish)
  end
  local began, used = now, 0
  if tonumber(first) == start then
    began, used = tonumber(second), tonumber(third)
  end
  local left = math.max(1, middle * 1000 - now)
  local value = string.format('%.0f %.0f %.0f', start, began, used + amount)
  return most - used, most - used - amount, left, left, left, start, began, value
end

function look.bucket(key, most, amount)
  local began, taken = now, 0
  local first, second, third = string.match(redis.call('GET', key) or '', '^(%d+) (%d+) (%d+)$')
  if first then
    taken = math.max(0, second - math.max(0, now - third) * most)
    began = taken > 0 and tonumber(first) or now
  end
  local full, after = most * 60000, taken + amount * 60000
  local value = string.format('%.0f %.0f %.0f', began, after, now)
  return math.floor((full - taken) / 60000), math.floor((full - after) / 60000), math.ceil(taken / most),
    math.ceil(after / most), math.ceil((after - full) / most), 0, began, value
end

function look.places(key, most, amount, lease)
  local free = most - redis.call('ZCOUNT', key, '(' .. now, '+inf')
  return free, free - amount, 0, 0, 1000, 0, 0, lease
end

local seen, refused, longest = {}, 0, 0
for index = 1, #KEYS do
  local at = index * 6 - 4
  local most, amount = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local one = {look[ARGV[at]](KEYS[index], most, amount, ARGV[at + 3], ARGV[at + 4], ARGV[at + 5])}
  seen[index] = one
  if one[2] < 0 then
    local wait = amount > most and math.huge or one[5]
    if refused == 0 or wait > longest then
      refused, longest = index, wait
    end
  end
end

if elsewhere then
  return {-1, now}
end

local reply = {refused, now, longest == math.huge and -1 or longest}
for index, one in ipairs(seen) do
  if refused == 0 then
    local at = index * 6 - 4
    if ARGV[at] == 'places' then
      redis.call('ZREMRANGEBYSCORE', KEYS[index], '-inf', now)
      redis.call('ZADD', KEYS[index], now + ARGV[at + 4], one[8])
      redis.call('PEXPIRE', KEYS[index], ARGV[at + 4])
    else
      redis.call('SET', KEYS[index], one[8], 'PX', math.max(1, one[4]))
    end
  end
  reply[index * 4] = refused == 0 and one[2] or one[1]
  reply[index * 4 + 1] = refused == 0 and one[4] or one[3]
  reply[index * 4 + 2], reply[index * 4 + 3] = one[6], one[7]
end
return reply
