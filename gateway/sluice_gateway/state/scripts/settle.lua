-- Puts what was used in the place of what was reserved, holds leases, and gives them back.
--
-- KEYS: the mark of the pod that settles, then the counters. ARGV: the number of this settlement, milliseconds to keep the
-- mark, then for each counter six: its kind, what the limit holds, and
--   window   start, end, when the count began, what to add (less than 0: to give back)
--   bucket   0 0, when the count began, what to add
--   hold     0, milliseconds that they last, 0, ids of leases with spaces between
--   free     0 0 0, ids of leases
--
-- A pod numbers its settlements, and sends one again that it got no answer to: the mark holds the last number that was
-- applied. Gives 1, or 0 when it was applied before.
--
-- What is given back belongs to the count that it was taken from. That is gone when another began: the window is over, the
-- bucket was full in between, or the server lost it. What is added counts always, while its window lasts; a beginning of 0
-- is that of any count.

local number = tonumber(ARGV[1])
if number <= tonumber(redis.call('GET', KEYS[1]) or 0) then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local apply = {}

function apply.window(key, _, start, finish, began, amount)
  start, began, amount = tonumber(start), tonumber(began), tonumber(amount)
  local left = finish * 1000 - now
  local first, second, third = string.match(redis.call('GET', key) or '', '^(%d+) (%d+) (%d+)$')
  first = tonumber(first)
  if left <= 0 or first and first > start or amount <= 0 and first ~= start then
    return
  end
  local used = 0
  if first == start then
    if amount <= 0 and began ~= 0 and began ~= tonumber(second) then
      return
    end
    began, used = tonumber(second), tonumber(third)
  else
    began = now
  end
  redis.call('SET', key, string.format('%.0f %.0f %.0f', start, began, math.max(0, used + amount)), 'PX', left)
end

function apply.bucket(key, most, _, _, began, amount)
  most, began, amount = tonumber(most), tonumber(began), tonumber(amount)
  local first, second, third = string.match(redis.call('GET', key) or '', '^(%d+) (%d+) (%d+)$')
  local taken = first and math.max(0, second - math.max(0, now - third) * most) or 0
  local count = taken > 0 and tonumber(first) or now
  if amount <= 0 and began ~= 0 and began ~= count then
    return
  end
  taken = math.max(0, taken + amount * 60000)
  local value = string.format('%.0f %.0f %.0f', count, taken, now)
  redis.call('SET', key, value, 'PX', math.max(1, math.ceil(taken / most)))
end

function apply.hold(key, _, _, lasts, _, leases)
  for lease in string.gmatch(leases, '%S+') do
    redis.call('ZADD', key, now + lasts, lease)
  end
  redis.call('PEXPIRE', key, lasts)
end

function apply.free(key, _, _, _, _, leases)
  for lease in string.gmatch(leases, '%S+') do
    redis.call('ZREM', key, lease)
  end
end

redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
for index = 2, #KEYS do
  local at = index * 6 - 9
  apply[ARGV[at]](KEYS[index], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5])
end
return 1
