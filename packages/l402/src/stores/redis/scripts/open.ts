import { NAME_KEYS } from '../keys.ts'

/**
 * Makes empty books, or finds those that are there and brings those of version 1 up to date. ARGV: version, a name for
 * new books. Answers their version and name. Writes in any case, so that a server that does not take writes is found
 * out at once.
 *
 * Version 1 had one hash of reservations: number → `R` or `S`, then key and amount of each use. They are ended like those of
 * the dead: the programs that made them are refused from now on. Its counters and payments had no end, and keep none.
 */
export const open = `
local version, name = unpack(ARGV)
${NAME_KEYS}
local call = redis.call
local found = call('HMGET', meta, 'version', 'instance')
if not found[1] then
  if call('EXISTS', unpack(KEYS)) > 0 then return {'foreign', ''} end
  call('HSET', meta, 'version', version, 'instance', name)
  return {version, name}
end
if found[1] ~= '1' then
  call('HSET', meta, 'version', found[1])
  return found
end
local held = call('HGETALL', formerReservations)
call('HSET', meta, 'version', version)
for i = 2, #held, 2 do
  local uses, from = held[i], 2
  while string.sub(uses, 1, 1) == 'R' and from <= #uses do
    local key, amount
    key, amount, from = struct.unpack('>c32Bc0', uses, from)
    if call('HINCRBY', used, key, '-' .. amount) <= 0 then call('HDEL', used, key) end
  end
end
call('DEL', formerReservations, owners)
return {version, found[2]}
`
