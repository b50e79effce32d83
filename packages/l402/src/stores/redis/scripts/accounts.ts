/** Payments and what they have put on accounts: K credit. */
export const accounts = `
local function takePayment()
  return {hash = take('>c32'), token = take('>c32'), service = take('>Hc0'), ends = take('>Bc0')}
end

-- Once per payment hash (rule 1); answers whether it was now.
local function redeem(payment)
  local entry = now .. ' ' .. payment.token .. payment.service
  if call('HSETNX', redemptions, payment.hash, entry) == 0 then return false end
  if payment.ends ~= '' then call('ZADD', redemptionEnds, payment.ends, payment.hash) end
  return true
end

operations.K = function()
  local payment, amount = takePayment(), take('>Bc0')
  if not redeem(payment) then return say('0') end
  local account, ends = payment.token, payment.ends
  local isNew = call('HEXISTS', credited, account) == 0
  addUpToMost(credited, account, amount)
  -- The latest of all ends; one that never comes is the latest.
  local before = call('ZSCORE', counterEnds, account)
  if ends == '' then
    call('ZREM', counterEnds, account)
  elseif isNew or (before and tonumber(ends) > tonumber(before)) then
    call('ZADD', counterEnds, ends, account)
  end
  say('1')
end
`
