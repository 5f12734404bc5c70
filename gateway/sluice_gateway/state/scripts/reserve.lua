-- Takes all that is asked for, or nothing.
--
-- KEYS: the counter of each charge. ARGV: the last instant at which it is wanted; the id of the lease of what is places;
-- for each charge what is asked for; milliseconds that a lease lasts; then for each charge five: its kind, what the limit
-- holds, and
--   window   start, middle and end of two windows, one after the other: this server's clock is in one of them
--   others   0 0 0
-- Instants are milliseconds of this server's clock, those of windows seconds.
--
-- Gives {-1, now} when it is too late or no time of the windows, and {0, now, 0, ...} when all was taken. Else
-- {n, now, wait, ...}: of the charges without room the n-th has to wait longest, for so many milliseconds, or -1 when it
-- never will have room. For each charge follow what remains, milliseconds until it is whole again, and what a settlement has
-- to name: the window's start, and when the count began.
--
-- A window's counter is "start began used", a bucket's "began taken at": 60,000 taken are one of what it holds, so that a
-- millisecond brings back as many as it holds, and all stay whole numbers. Places are a sorted set of leases by their end.

local call, match, format = redis.call, string.match, string.format
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now > tonumber(ARGV[1]) then
  return {-1, now}
end
local instant, count = format('%.0f', now), #KEYS
local after, whole, values = {}, {}, {} -- all of a charge that is taken: what remains, milliseconds, the counter's new value
local refused, longest = 0, 0
local reply = {0, now, 0}

for index = 1, count do
  local key, amount, at = KEYS[index], tonumber(ARGV[index + 2]), index * 5 + count - 1
  local kind, most, start, began = ARGV[at], tonumber(ARGV[at + 1]), 0, 0
  local before, reset, wait
  if kind == 'window' then
    local middle, finish = ARGV[at + 3], ARGV[at + 4]
    start = ARGV[at + 2]
    if now < start * 1000 or now >= finish * 1000 then
      return {-1, now}
    end
    local first, second, used = match(call('GET', key) or '', '^(%d+) (%d+) (%d+)$')
    if now >= middle * 1000 or first == middle then -- the latter: the clock was set back
      start, middle = middle, finish
    end
    if first ~= start then
      second, used = instant, 0
    end
    before, reset = most - used, math.max(1, middle * 1000 - now)
    after[index], whole[index], wait = before - amount, reset, reset
    values[index] = start .. ' ' .. second .. format(' %.0f', used + amount)
    start, began = tonumber(start), tonumber(second)
  elseif kind == 'bucket' then
    local first, second, third = match(call('GET', key) or '', '^(%d+) (%d+) (%d+)$')
    local taken = first and math.max(0, second - math.max(0, now - third) * most) or 0
    local full, more = most * 60000, taken + amount * 60000
    before, reset, wait = math.floor((full - taken) / 60000), math.ceil(taken / most), math.ceil((more - full) / most)
    after[index], whole[index] = math.floor((full - more) / 60000), math.ceil(more / most)
    began = taken > 0 and tonumber(first) or now
    values[index] = format('%.0f %.0f %.0f', began, more, now)
  else
    before, reset, wait = most - call('ZCOUNT', key, '(' .. instant, '+inf'), 0, 1000
    after[index], whole[index] = before - amount, 0
  end
  if after[index] < 0 then
    wait = amount > most and math.huge or wait
    if refused == 0 or wait > longest then
      refused, longest = index, wait
    end
  end
  local place = index * 4
  reply[place], reply[place + 1], reply[place + 2], reply[place + 3] = math.max(0, before), reset, start, began
end

if refused > 0 then
  reply[1], reply[3] = refused, longest == math.huge and -1 or longest
  return reply
end
for index = 1, count do
  local key, value, lasts = KEYS[index], values[index], whole[index]
  if value then
    call('SET', key, value, 'PX', math.max(1, lasts))
  else
    call('ZREMRANGEBYSCORE', key, '-inf', instant)
    call('ZADD', key, now + ARGV[count + 3], ARGV[2])
    call('PEXPIRE', key, ARGV[count + 3])
  end
  reply[index * 4], reply[index * 4 + 1] = after[index], lasts
end
return reply
