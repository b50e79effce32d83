/** Most bytes of outcomes in one answer, besides the first: the server writes nothing else meanwhile. */
const BLOBS_MAX = 4 * 2 ** 20

/**
 * What is remembered for a time: N mark, Q claim, P is being served, A answer, U give a claim up, u take an orphan's back.
 *
 * A claim is `R` (running), `S` (being served) or `A` (answered), its number (which begins with its owner), digest, and until
 * when. One that runs is its owner's: when that is dead it is nobody's, or comes to the answer it has by then, and so
 * needs no looking for when somebody dies.
 */
export const claims: string = `
operations.N = function()
  local mark, till = take('>c32'), take('>Bc0')
  local before = call('ZSCORE', marks, mark)
  if before and tonumber(before) > nowMs then return say('0') end
  call('ZADD', marks, till, mark)
  say('1')
end

-- Whether it is to be answered as it is; false when it is over, or its owner dead.
local function standing(claim)
  if sub(claim, 1, 1) == 'A' then return tonumber(sub(claim, 62)) > nowMs end
  return isAlive(sub(claim, 2, 17))
end

operations.Q = function()
  local id, key, digest, till = take('>c28'), take('>c32'), take('>c32'), take('>Bc0')
  local claim = call('HGET', claims, key)
  if claim and sub(claim, 1, 1) == 'S' and not isAlive(sub(claim, 2, 17)) then
    claim = 'A' .. sub(claim, 2)
    call('HSET', claims, key, claim)
    call('ZADD', claimEnds, sub(claim, 62), key)
  end
  if not claim or not standing(claim) then
    if claim then call('HDEL', answers, key) end
    call('HSET', claims, key, 'R' .. id .. digest .. till)
    call('ZADD', claimEnds, till, key)
    return say('claimed')
  end
  if sub(claim, 30, 61) ~= digest then return say('other') end
  local answer = sub(claim, 1, 1) == 'A' and call('HGET', answers, key)
  if not answer then return say('running') end
  if blobBytes > 0 and blobBytes + #answer > ${BLOBS_MAX} then return say('later') end
  blobs[#blobs + 1], blobBytes = answer, blobBytes + #answer
  say('answered')
end

local function runs(key, ofWhom)
  local claim = call('HGET', claims, key)
  return claim and sub(claim, 1, 1) ~= 'A' and sub(claim, 2, 1 + #ofWhom) == ofWhom and claim
end

operations.P = function()
  local key, answer = take('>c32'), takeBlob()
  local claim = runs(key, owner)
  if not claim then return say('0') end
  call('HSET', claims, key, 'S' .. sub(claim, 2))
  call('HSET', answers, key, answer)
  say('1')
end

operations.A = function()
  local key, answer = take('>c32'), takeBlob()
  local claim = runs(key, owner)
  if not claim then return end
  call('HSET', claims, key, 'A' .. sub(claim, 2))
  call('HSET', answers, key, answer)
  call('ZADD', claimEnds, sub(claim, 62), key)
end

local function unclaim(key, ofWhom)
  if not runs(key, ofWhom) then return end
  call('HDEL', claims, key)
  call('HDEL', answers, key)
  call('ZREM', claimEnds, key)
end
operations.U = function() unclaim(take('>c32'), owner) end
operations.u = function()
  local id = take('>c28')
  unclaim(take('>c32'), id)
end
`
