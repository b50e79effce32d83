/** Reservations ended at one time for an owner that died; the rest follows. */
const BURIED_MAX = 1_000

/** Whether an owner lives. */
export const alive = `
local function isAlive(who)
  local seq = call('HGET', owners, who)
  return seq and seq ~= '-'
end
`

/** Owners: O list them, B bury one that has not called since, X leave; V revoke. */
export const owners = `
-- What was being served counts, the rest is given back (rule 3).
local function bury(who, most)
  local theirs, cursor, ended = reservations[who], '0', 0
  repeat
    local page = call('HSCAN', theirs, cursor, 'COUNT', 500)
    local all = page[2]
    cursor = page[1]
    for i = 1, #all, 2 do
      call('HDEL', theirs, all[i])
      if sub(all[i + 1], 1, 1) == 'R' then giveBack(all[i + 1], math.huge)
      else keep(all[i + 1], '0') end
    end
    ended = ended + #all / 2
  until cursor == '0' or ended >= most
  -- Dead from now on, however many calls it takes to end everything.
  if cursor == '0' then call('HDEL', owners, who) else call('HSET', owners, who, '-') end
end

operations.O = function() listed = call('HGETALL', owners) end
operations.B = function()
  local who, quiet = take('>c16'), take('>Bc0')
  if call('HGET', owners, who) == quiet then bury(who, ${BURIED_MAX}) end
end
-- Of one that closes: it has hardly anything left, and wants it ended now.
operations.X = function() bury(owner, math.huge) end

operations.V = function()
  local what, text = take('>c33'), take('>c65')
  if call('HSETNX', revoked, what, now) == 1 then
    anyRevoked = call('RPUSH', revocations, text)
    announce = true
  end
end
`
