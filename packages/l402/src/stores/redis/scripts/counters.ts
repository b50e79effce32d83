/**
 * Counters and their reservations: R reserve, S serve, D draw, C commit, L release, G read.
 *
 * A reservation is `R` (reserved) or `S` (serving), what its metered uses hold, and its uses: key, flags, amount (none:
 * what the metered ones hold), limit (none: what has been credited).
 */
export const counters = `
local METERED, ACCOUNT, HELD = 1, 2, 4
local function has(flags, flag) return flags % (2 * flag) >= flag end

local function find(id)
  local mine = reservations[sub(id, 1, 16)]
  return mine, call('HGET', mine, id)
end

local function metersOf(value) return unpackAt('>Bc0', value, 2) end

local function useAt(value, from, meters)
  local key, flags, amount, limit
  key, flags, amount, limit, from = unpackAt('>c32BBc0Bc0', value, from)
  if has(flags, METERED) then amount = meters end
  return from, key, flags, amount, limit
end

local function limitOf(key, flags, limit)
  return has(flags, ACCOUNT) and (call('HGET', credited, key) or '0') or limit
end

-- Nothing stays of a counter that was never used: a holder can name new ones without end.
local function subtract(key, flags, amount)
  if call('HINCRBY', used, key, '-' .. amount) > 0 or has(flags, ACCOUNT) then return end
  call('HDEL', used, key)
  if has(flags, HELD) then call('ZREM', counterEnds, key) end
end

local function letGo(key, flags)
  if has(flags, HELD) and call('HINCRBY', holds, key, -1) <= 0 then call('HDEL', holds, key) end
end

local function giveBack(value, count)
  local meters, from = metersOf(value)
  while from <= #value and count > 0 do
    local key, flags, amount
    from, key, flags, amount = useAt(value, from, meters)
    subtract(key, flags, amount)
    letGo(key, flags)
    count = count - 1
  end
end

local function keep(value, missing)
  local meters, from = metersOf(value)
  while from <= #value do
    local key, flags
    from, key, flags = useAt(value, from, meters)
    letGo(key, flags)
    if missing ~= '0' and has(flags, ACCOUNT) then addUpToMost(lost, key, missing) end
  end
end

operations.R = function()
  local id, payment, record = take('>c28'), takePayment(), take('>B')
  local value, count, ends, states = 'R' .. take('>I4c0'), take('>H'), {}, {}
  for i = 1, count do ends[i] = take('>Bc0') end
  if anyRevoked > 0 then
    local by = call('HMGET', revoked, 't' .. payment.token, 'p' .. payment.hash)
    if by[1] or by[2] then return say('revoked') end
  end
  local meters, from = metersOf(value)
  for i = 1, count do
    local key, flags, amount, limit
    from, key, flags, amount, limit = useAt(value, from, meters)
    limit = limitOf(key, flags, limit)
    local before = call('HGET', used, key)
    if above(amount, limit) or above(before or '0', minus(limit, amount)) then
      giveBack(value, i - 1)
      return say('full ' .. (i - 1))
    end
    local after = call('HINCRBY', used, key, amount)
    if has(flags, HELD) then call('HINCRBY', holds, key, 1) end
    if ends[i] ~= '' and not before then call('ZADD', counterEnds, ends[i], key) end
    local exact = #amount < 16 and (not before or #before < 16)
    after = exact and plain(after) or call('HGET', used, key)
    states[i] = after .. ' ' .. (has(flags, ACCOUNT) and limit or '-')
  end
  call('HSET', reservations[sub(id, 1, 16)], id, value)
  if record == 1 then redeem(payment) end
  say('held ' .. table.concat(states, ' '))
end

operations.S = function()
  local id = take('>c28')
  local mine, value = find(id)
  if value and sub(value, 1, 1) == 'R' then call('HSET', mine, id, 'S' .. sub(value, 2)) end
  say(value and '1' or '0')
end

-- Sets the metered uses to what was measured, as far as all have room (rule 5): what they hold now, and what is lost.
local function measure(value, actual)
  local meters, from = metersOf(value)
  local metered = {}
  while from <= #value do
    local key, flags, limit, _
    from, key, flags, _, limit = useAt(value, from, meters)
    if has(flags, METERED) then metered[#metered + 1] = {key, flags, limit} end
  end
  if above(meters, actual) then
    for _, use in ipairs(metered) do subtract(use[1], use[2], minus(meters, actual)) end
    return actual, '0'
  end
  local wanted = minus(actual, meters)
  local change = wanted
  for _, use in ipairs(metered) do
    local limit, taken = limitOf(unpack(use)), call('HGET', used, use[1]) or '0'
    local left = above(limit, taken) and minus(limit, taken) or '0'
    if above(change, left) then change = left end
  end
  if change ~= '0' then
    for _, use in ipairs(metered) do call('HINCRBY', used, use[1], change) end
  end
  local lost = minus(wanted, change)
  return minus(actual, lost), lost
end

operations.D = function()
  local id, actual = take('>c28'), take('>Bc0')
  local mine, value = find(id)
  if not value then return say('lapsed') end
  local meters, from = metersOf(value)
  if meters == '' or not above(actual, meters) then return say('1') end
  local reached, missing = measure(value, actual)
  if reached ~= meters then
    call('HSET', mine, id, sub(value, 1, 1) .. string.char(#reached) .. reached .. sub(value, from))
  end
  say(missing == '0' and '1' or '0')
end

operations.C = function()
  local id, actual = take('>c28'), take('>Bc0')
  local mine, value = find(id)
  if not value then return end
  call('HDEL', mine, id)
  local meters, from = metersOf(value)
  local missing = '0'
  if actual ~= '' and meters ~= '' then meters, missing = measure(value, actual) end
  while from <= #value do
    local key, flags
    from, key, flags = useAt(value, from, meters)
    letGo(key, flags)
    if missing ~= '0' and has(flags, ACCOUNT) then addUpToMost(lost, key, missing) end
  end
end

operations.L = function()
  local id = take('>c28')
  local mine, value = find(id)
  if not value then return end
  call('HDEL', mine, id)
  giveBack(value, math.huge)
end

operations.G = function()
  for _ = 1, take('>H') do
    local key = take('>c32')
    local credit = call('HGET', credited, key)
    say((call('HGET', used, key) or '0') .. ' ' .. (credit or '-'))
    if credit then say(call('HGET', lost, key) or '0') end
  end
end
`
