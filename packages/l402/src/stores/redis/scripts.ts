import { createHash } from 'node:crypto'
import { accounts } from './scripts/accounts.ts'
import { amounts } from './scripts/amounts.ts'
import { beginning, ending, sameBooks } from './scripts/call.ts'
import { claims } from './scripts/claims.ts'
import { counters } from './scripts/counters.ts'
import { open } from './scripts/open.ts'
import { alive, owners } from './scripts/owners.ts'
import { prune } from './scripts/prune.ts'
import { windows } from './scripts/windows.ts'

/** Version of what stands under the keys. */
export const STORE_VERSION = 2

/** A script and the name the server knows it by. */
export interface Script {
  readonly text: string
  readonly sha: string
}

function script(...parts: readonly string[]): Script {
  const text = parts.join('\n')
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}

/** Finds or makes the books; see scripts/open.ts. */
export const openScript: Script = script(open)

/**
 * Runs a batch of operations (operations.ts), all of it or nothing.
 *
 * KEYS: those of the ledger, then the reservations of every owner that the batch is about. ARGV: version and name of the
 * books, owner, number of this call, of its last call that was answered, how many revocations are known, now (ms), the
 * channel of announcements, the batch, and what is attached to it. Answers 'ok', the answers parted by spaces, how many
 * revocations there are, up to 1,000 of those not known, the owners if they were asked for, and the outcomes of claims;
 * or why nothing was done:
 * - 'replaced': these are other books than before, or none.
 * - 'version': a program of another version has been here.
 * - 'late': this call is older than one that was executed; nobody waits for its answer.
 * - 'lapsed': the owner was taken for dead and what it held has been ended, or the books are older than its last call.
 */
export const batchScript: Script = script(
  sameBooks,
  beginning,
  alive,
  amounts,
  accounts,
  counters,
  windows,
  claims,
  owners,
  ending,
)

/**
 * Forgets what is over; see scripts/prune.ts. ARGV: version and name of the books, now (ms), how many members of a kind,
 * how many claims, how many counters to skip. Answers 'ok', how many rows it removed, 1 if there may be more, how many
 * counters to skip then; or 'replaced' or 'version' like a batch.
 */
export const pruneScript: Script = script(prune)
