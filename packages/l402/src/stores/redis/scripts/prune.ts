import { RATE_GRACE_MS } from '../../lib/rate-log.ts'
import { sameBooks } from './call.ts'
import { alive } from './owners.ts'

/**
 * Forgets what nothing can refer to any more. It only ever removes, so that it works on a server whose memory is full.
 *
 * A counter that is held stays, and stays where it is in the order of ends: `skip` are those that were found held before.
 * A claim that runs is looked at again a minute later; its own time is put back when it is answered.
 */
export const prune: string = `
${sameBooks}
${alive}
local now, most, mostClaims, skip = unpack(ARGV, 3)
local removed, more = 0, false

local function over(ends, limit, from, grace)
  local members = call('ZRANGEBYSCORE', ends, '-inf', now - (grace or 0), 'LIMIT', from, limit)
  if #members == tonumber(limit) then more = true end
  return members
end

local function forget(members, ends, ...)
  if #members == 0 then return end
  call('ZREM', ends, unpack(members))
  for _, hash in ipairs({...}) do call('HDEL', hash, unpack(members)) end
  removed = removed + #members
end

local ended = over(counterEnds, most, skip)
local free, full = {}, more
if #ended > 0 then
  local held = call('HMGET', holds, unpack(ended))
  for i, key in ipairs(ended) do
    if not held[i] then free[#free + 1] = key end
  end
end
forget(free, counterEnds, used, credited, lost)
skip = full and skip + #ended - #free or 0

forget(over(redemptionEnds, most, 0), redemptionEnds, redemptions)
forget(over(windowEnds, most, 0), windowEnds, windows)
-- Kept longer than asked for, in case a clock is set back.
forget(over(marks, most, 0, ${RATE_GRACE_MS}), marks)

local done = {}
for _, key in ipairs(over(claimEnds, mostClaims, 0, ${RATE_GRACE_MS})) do
  local claim = call('HGET', claims, key)
  if claim and sub(claim, 1, 1) ~= 'A' and isAlive(sub(claim, 2, 17)) then
    -- Where memory is full this fails, and the claim is looked at again at once.
    redis.pcall('ZADD', claimEnds, now + 60000 - ${RATE_GRACE_MS}, key)
  else
    done[#done + 1] = key
  end
end
forget(done, claimEnds, claims, answers)
return {'ok', removed, more and 1 or 0, skip}
`
