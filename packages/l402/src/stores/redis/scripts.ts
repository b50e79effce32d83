import { createHash } from 'node:crypto'

/** Version of what stands under the keys. */
export const STORE_VERSION = 1

/** A script and the name the server knows it by. */
export interface Script {
  readonly text: string
  readonly sha: string
}

function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}

/**
 * Makes empty books, or finds those that are there. ARGV: version, a name for new books. Answers their version and
 * name. Writes in any case, so that a server that does not take writes is found out at once.
 */
export const openScript: Script = script(`
local meta = KEYS[1]
local found = redis.call('HMGET', meta, 'version', 'instance')
if found[1] then
  redis.call('HSET', meta, 'version', found[1])
  return found
end
if redis.call('EXISTS', unpack(KEYS)) > 0 then return {'foreign', ''} end
redis.call('HSET', meta, 'version', ARGV[1], 'instance', ARGV[2])
return {ARGV[1], ARGV[2]}
`)

/**
 * Runs a batch of operations (batch.ts), all of it or nothing.
 *
 * ARGV: version and name of the books, owner, number of this call, how many revocations are known, now (ms), the
 * channel of announcements, the batch. Answers 'ok', the answers parted by spaces, how many revocations there are, up
 * to 1,000 of those not known, and the owners if they were asked for; or why nothing was done:
 * - 'replaced': these are other books than before, or none.
 * - 'version': a program of another version has been here.
 * - 'late': this call is older than one that was executed; nobody waits for its answer.
 * - 'lapsed': the owner was taken for dead, and what it held has been ended.
 *
 * The first write comes before any other: a server that refuses writes refuses that one, and nothing is half done.
 * Numbers of Lua are doubles; amounts beyond 15 digits stay text here and are added by the server, in 64 bits.
 */
export const batchScript: Script = script(`
local meta, owners, counters, reservations, redemptions, revoked, revocations = unpack(KEYS)
local version, instance, owner, seq, known, now, channel, batch = unpack(ARGV)
local call, sub, unpackAt = redis.call, string.sub, struct.unpack

local found = call('HMGET', meta, 'version', 'instance')
if not found[1] or found[2] ~= instance then return {'replaced'} end
if found[1] ~= version then return {'version', found[1]} end
local last = call('HGET', owners, owner)
if last then
  if tonumber(seq) <= tonumber(last) then return {'late'} end
elseif seq ~= '1' then
  return {'lapsed'}
end
call('HSET', owners, owner, seq)

local at, out, listed = 1, {}, {}
local function take(format)
  local value
  value, at = unpackAt(format, batch, at)
  return value
end
local function say(text) out[#out + 1] = text end

local function above(a, b)
  if #a ~= #b then return #a > #b end
  if #a < 16 then return tonumber(a) > tonumber(b) end
  local highA, highB = tonumber(sub(a, 1, -10)), tonumber(sub(b, 1, -10))
  if highA ~= highB then return highA > highB end
  return tonumber(sub(a, -9)) > tonumber(sub(b, -9))
end

local function giveBack(uses, count)
  local from = 1
  while from <= #uses and count > 0 do
    local key, amount
    key, amount, from = unpackAt('>c32Bc0', uses, from)
    if call('HINCRBY', counters, key, '-' .. amount) == 0 then call('HDEL', counters, key) end
    count = count - 1
  end
end

local function finish(id, value)
  call('HDEL', reservations, id)
  if sub(value, 1, 1) == 'R' then giveBack(sub(value, 2), math.huge) end
end

local function bury(who)
  local all = call('HGETALL', reservations)
  for i = 1, #all, 2 do
    if sub(all[i], 1, #who) == who then finish(all[i], all[i + 1]) end
  end
  call('HDEL', owners, who)
end

local anyRevoked, announce = call('LLEN', revocations), false

local function reserve()
  local id, record, hash, token = take('>c28'), take('>B'), take('>c32'), take('>c32')
  local service, count, length = take('>Hc0'), take('>H'), take('>I')
  local uses, from = sub(batch, at, at + length - 1), 1
  at = at + length
  local rooms = {}
  for i = 1, count do rooms[i] = take('>Bc0') end
  if anyRevoked > 0 then
    local by = call('HMGET', revoked, 't' .. token, 'p' .. hash)
    if by[1] or by[2] then return say('revoked') end
  end
  local states = {}
  for i = 1, count do
    local key, amount, room = nil, nil, rooms[i]
    key, amount, from = unpackAt('>c32Bc0', uses, from)
    local before = call('HGET', counters, key) or '0'
    if room == '' or above(before, room) then
      giveBack(uses, i - 1)
      return say('full ' .. (i - 1))
    end
    local after = call('HINCRBY', counters, key, amount)
    if #before < 16 and #amount < 16 then states[i] = string.format('%.0f', after)
    else states[i] = call('HGET', counters, key) end
  end
  call('HSET', reservations, id, 'R' .. uses)
  if record == 1 then call('HSETNX', redemptions, hash, now .. ' ' .. token .. service) end
  say('held ' .. table.concat(states, ' '))
end

local operations = {
  R = reserve,
  S = function()
    local id = take('>c28')
    local value = call('HGET', reservations, id)
    if value and sub(value, 1, 1) == 'R' then call('HSET', reservations, id, 'S' .. sub(value, 2)) end
    say(value and '1' or '0')
  end,
  C = function() call('HDEL', reservations, take('>c28')) end,
  L = function()
    local id = take('>c28')
    local value = call('HGET', reservations, id)
    if value then
      call('HDEL', reservations, id)
      giveBack(sub(value, 2), math.huge)
    end
  end,
  G = function()
    for _ = 1, take('>H') do say(call('HGET', counters, take('>c32')) or '0') end
  end,
  V = function()
    local what, text = take('>c33'), take('>c65')
    if call('HSETNX', revoked, what, now) == 1 then
      anyRevoked = call('RPUSH', revocations, text)
      announce = true
    end
  end,
  O = function() listed = call('HGETALL', owners) end,
  B = function()
    local who, quiet = take('>c16'), take('>Bc0')
    if call('HGET', owners, who) == quiet then bury(who) end
  end,
  X = function() bury(owner) end,
}
while at <= #batch do operations[take('>c1')]() end

-- A user who may not publish is heard by polling.
if announce then redis.pcall('PUBLISH', channel, '') end
local news = {}
if anyRevoked > tonumber(known) then news = call('LRANGE', revocations, known, known + 999) end
return {'ok', table.concat(out, ' '), anyRevoked, news, listed}
`)
