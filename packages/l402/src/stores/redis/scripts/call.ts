import { KEY_COUNT, NAME_KEYS } from '../keys.ts'

/** Arguments before the attachments. */
const HEAD = 9

/** Whether these are the books that were opened, and of this version; how every script on open books begins. */
export const sameBooks = `
local version, instance = ARGV[1], ARGV[2]
local found = redis.call('HMGET', KEYS[1], 'version', 'instance')
if not found[1] or found[2] ~= instance then return {'replaced'} end
if found[1] ~= version then return {'version', found[1]} end
${NAME_KEYS}
local call, sub, unpackAt = redis.call, string.sub, struct.unpack
`

/**
 * How a batch begins. The first write comes before any other: a server that refuses writes refuses that one, and
 * nothing is half done. A call older than one that was executed has nobody who waits for its answer. Books in which the
 * last call of an owner is older than one it had an answer to have lost what came since: restored from a copy, say.
 */
export const beginning = `
local owner, seq, acked, known, now, channel, batch = unpack(ARGV, 3, ${HEAD})
local last = call('HGET', owners, owner)
if last then
  local number = tonumber(last)
  if not number or number < tonumber(acked) then return {'lapsed'} end
  if tonumber(seq) <= number then return {'late'} end
elseif seq ~= '1' then
  return {'lapsed'}
end
call('HSET', owners, owner, seq)

local nowMs = tonumber(now)
local operations, out, at = {}, {}, 1
local function take(format)
  local value
  value, at = unpackAt(format, batch, at)
  return value
end
local function say(text) out[#out + 1] = text end

-- Bytes that come and go beside the batch: they may be many, and hold anything.
local attached, blobs, blobBytes = ${HEAD}, {}, 0
local function takeBlob()
  attached = attached + 1
  return ARGV[attached]
end

-- The keys behind those of the ledger end in the owner whose reservations they hold.
local reservations = {}
for i = ${KEY_COUNT + 1}, #KEYS do reservations[sub(KEYS[i], -16)] = KEYS[i] end

local anyRevoked, announce, listed = call('LLEN', revocations), false, {}
`

/** How it ends. */
export const ending = `
while at <= #batch do operations[take('>c1')]() end

-- A user who may not publish is heard by polling.
if announce then redis.pcall('PUBLISH', channel, '') end
local news = {}
if anyRevoked > tonumber(known) then news = call('LRANGE', revocations, known, known + 999) end
return {'ok', table.concat(out, ' '), anyRevoked, news, listed, blobs}
`
