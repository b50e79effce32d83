import { RATE_GRACE_MS } from '../../lib/rate-log.ts'

/**
 * Sliding windows: W pace, w unpace. A window is the log of lib/rate-log.ts as pairs of doubles, time and count, oldest
 * first; the algorithm is the one there.
 */
export const windows: string = `
local function waitOf(log, limit, length)
  if limit == 0 then return length end
  local within = 0
  for from = #log - 15, 1, -16 do
    local time, count = unpackAt('>dd', log, from)
    if nowMs - time >= length then break end
    within = within + count
    if within >= limit then return time + length - nowMs end
  end
  return 0
end

local function logged(log, limit, length)
  local from = 1
  while from < #log and nowMs - unpackAt('>d', log, from) >= length do from = from + 16 end
  log = sub(log, from)
  local part = limit <= 64 and 1 or math.ceil(length / 63)
  local time, newest, count = (math.floor(nowMs / part) + 1) * part - 1, 0, 0
  if log ~= '' then newest, count = unpackAt('>dd', log, #log - 15) end
  if newest < time then return log .. struct.pack('>dd', time, 1) end
  return sub(log, 1, -17) .. struct.pack('>dd', newest, count + 1)
end

local function unlogged(log)
  if log == '' then return log end
  local time, count = unpackAt('>dd', log, #log - 15)
  local before = sub(log, 1, -17)
  return count == 1 and before or before .. struct.pack('>dd', time, count - 1)
end

local function leftOf(log, limit, length)
  local left = limit
  for from = #log - 15, 1, -16 do
    local time, count = unpackAt('>dd', log, from)
    if nowMs - time >= length then break end
    left = left - count
  end
  return math.max(0, left)
end

-- Until it is empty, or no credential can name it; "ends" has its grace, and is nil for never.
local function keepWindow(key, log, length, ends)
  if log == '' then
    call('HDEL', windows, key)
    call('ZREM', windowEnds, key)
  else
    call('HSET', windows, key, log)
    local empty = unpackAt('>d', log, #log - 15) + length + ${RATE_GRACE_MS}
    call('ZADD', windowEnds, plain(math.min(empty, ends or empty)), key)
  end
end

local function takeRates()
  local rates, logs = {}, {}
  for i = 1, take('>H') do
    local key, limit, length = take('>c32'), tonumber(take('>Bc0')), tonumber(take('>Bc0'))
    rates[i] = {key, limit, length, tonumber(take('>Bc0'))}
    logs[key] = logs[key] or call('HGET', windows, key) or ''
  end
  return rates, logs
end

operations.W = function()
  local rates, logs = takeRates()
  for i, rate in ipairs(rates) do
    local wait = waitOf(logs[rate[1]], rate[2], rate[3])
    if wait > 0 then return say('wait ' .. (i - 1) .. ' ' .. plain(wait)) end
  end
  for _, rate in ipairs(rates) do
    local key, limit, length, ends = unpack(rate, 1, 4)
    logs[key] = logged(logs[key], limit, length)
    keepWindow(key, logs[key], length, ends)
  end
  say('ok')
  for _, rate in ipairs(rates) do say(plain(leftOf(logs[rate[1]], rate[2], rate[3]))) end
end

operations.w = function()
  local rates, logs = takeRates()
  for _, rate in ipairs(rates) do
    local key = rate[1]
    logs[key] = unlogged(logs[key])
    keepWindow(key, logs[key], rate[3], rate[4])
  end
end
`
