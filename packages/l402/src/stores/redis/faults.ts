import { L402Error } from '../../core/errors.ts'
import type { RedisTarget } from './target.ts'

/** What a code of the server means for who runs it. */
const MEANINGS: Readonly<Record<string, string>> = {
  READONLY: 'it is a read-only replica',
  OOM: 'its memory is full (maxmemory)',
  LOADING: 'it is still reading its data after a start',
  MISCONF: 'it cannot write to its disk and takes no writes until it can',
  NOREPLICAS: 'too few of its replicas are there (min-replicas-to-write)',
  MASTERDOWN: 'its primary is down',
  CLUSTERDOWN: 'its cluster is down',
  MOVED: 'it is a node of a cluster, and another node has these keys',
  BUSY: 'it is busy with a script of another program',
  WRONGPASS: 'it does not take this user and password',
  NOAUTH: 'it wants a password',
  NOPERM: 'this user may not do what a ledger needs',
}

/** Whether the server has said no before it did anything. A script that breaks half-way says something else. */
export function refusedWhole(message: string): boolean {
  return Object.hasOwn(MEANINGS, codeOf(message))
}

function codeOf(message: string): string {
  return /^[A-Z]{2,}\b/.exec(message)?.[0] ?? ''
}

/** `store_unavailable`, without the server's secrets. Never with a `cause`: a driver's error may hold what was sent. */
export function unavailable({ place, password }: RedisTarget, error: unknown): L402Error {
  const why = scrub(error instanceof Error ? error.message : String(error), password)
  const code = codeOf(why)
  const meaning = MEANINGS[code]
  const said = meaning === undefined ? why : `${meaning} (${code})`
  return new L402Error('store_unavailable', `the Redis server ${place} cannot be used: ${said}`)
}

/** Redis repeats the arguments of commands it does not know, a password among them. */
function scrub(text: string, password: string | undefined): string {
  const short = text.replace(/,? with args beginning.*$/s, '').slice(0, 300)
  return password === undefined ? short : short.replaceAll(password, '***')
}

/** What stands under the keys is not for this version. */
export function incompatible(
  { place }: RedisTarget,
  prefix: string,
  found: string,
  known: number,
): L402Error {
  const what = `the ledger "${prefix}" on ${place}`
  if (!/^\d+$/.test(found))
    return new L402Error(
      'store_incompatible',
      `${what} is not one: there are keys of another program; use another prefix or database`,
    )
  const advice =
    Number(found) < known
      ? 'an older copy was restored; start this program again, which brings it up to date'
      : 'use the newer program that wrote it, or restore the copy made before the upgrade'
  return new L402Error(
    'store_incompatible',
    `${what} has version ${found}, this program knows up to ${known}: ${advice}`,
    { details: { version: Number(found), known } },
  )
}

/** The books were taken away while they were open. */
export function replaced({ place }: RedisTarget, prefix: string): L402Error {
  return new L402Error(
    'store_unavailable',
    `the books "${prefix}" on ${place} are gone or are not those that were opened: ` +
      'bring them back, or start again with what is there',
  )
}
