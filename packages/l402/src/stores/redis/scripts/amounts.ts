/**
 * Amounts of 64 bits are decimal text: numbers of Lua are doubles, exact only to 2^53. The server adds them (HINCRBY);
 * here they are compared and subtracted, in two parts where they are long.
 */
export const amounts = `
local MOST = '9223372036854775807'
local function plain(n) return string.format('%.0f', n) end
local function parts(a) return tonumber(sub(a, 1, -10)) or 0, tonumber(sub(a, -9)) end

local function above(a, b)
  if #a ~= #b then return #a > #b end
  if #a < 16 then return tonumber(a) > tonumber(b) end
  local highA, lowA = parts(a)
  local highB, lowB = parts(b)
  return highA > highB or (highA == highB and lowA > lowB)
end

-- Of an a that is not below b.
local function minus(a, b)
  if #a < 16 then return plain(tonumber(a) - tonumber(b)) end
  local highA, lowA = parts(a)
  local highB, lowB = parts(b)
  local high, low = highA - highB, lowA - lowB
  if low < 0 then high, low = high - 1, low + 1e9 end
  if high == 0 then return plain(low) end
  return string.format('%.0f%09.0f', high, low)
end

-- HINCRBY fails beyond 64 bits; a field that is full stays full.
local function addUpToMost(hash, key, amount)
  local before = call('HGET', hash, key) or '0'
  if above(before, minus(MOST, amount)) then call('HSET', hash, key, MOST)
  else call('HINCRBY', hash, key, amount) end
end
`
