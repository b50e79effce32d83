/**
 * One of several processes on one ledger; started as `node ledger-child.ts MODE FILE`, `… MODE POSTGRES-URL` or `… MODE
 * REDIS-URL PREFIX`, told what to do by its mode, and killed by its parent when it likes.
 */

import { once } from 'node:events'
import { writeSync } from 'node:fs'
import type { Ledger, ReserveRequest } from '../src/stores/ledger.ts'
import { postgresStore } from '../src/stores/postgres/index.ts'
import { redisStore } from '../src/stores/redis/index.ts'
import { sqliteStore } from '../src/stores/sqlite/index.ts'

const [mode = '', where = '', prefix = ''] = process.argv.slice(2)

/** A line that is in the pipe when this returns, whatever happens to the process then. Waits while the pipe is full. */
function say(line: string): void {
  for (;;) {
    try {
      writeSync(1, `${line}\n`)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
}

const counter = (n: number): Uint8Array => new Uint8Array(32).fill(n)

function request(limit: bigint, ...counters: readonly number[]): ReserveRequest {
  const redemption = { paymentHash: counter(100), tokenId: counter(101), service: 'weather' }
  return { redemption, uses: counters.map((n) => ({ key: counter(n), limit, amount: 1n })) }
}

function open(): Ledger | Promise<Ledger> {
  if (where.startsWith('postgres:')) return postgresStore({ url: where })
  if (where.startsWith('redis:')) return redisStore({ url: where, prefix, pollMs: 100, leaseMs: 1_000 })
  return sqliteStore({ file: where })
}

const ledger = await open()

/** Asks for more than there is, all at once; says how many it got. */
async function burst(): Promise<void> {
  say('ready')
  await once(process.stdin, 'data')
  let admitted = 0
  const one = async (i: number): Promise<void> => {
    const outcome = await ledger.reserve(request(100n, 1, 2))
    if (!outcome.ok) return
    if (outcome.states.some(({ used }) => used > 100n)) say('exceeded')
    // Some give their place back, for anybody to take.
    if (i % 3 === 0) return ledger.release(outcome.id)
    await ledger.commit(outcome.id)
    admitted++
  }
  await Promise.all(Array.from({ length: 300 }, (_, i) => one(i)))
  say(`admitted ${admitted}`)
  await ledger.close()
  process.stdin.destroy()
}

/** Uses counters without end; says before serving begins which counter it is, and after it that it has. */
async function churn(): Promise<void> {
  const loop = async (n: number): Promise<void> => {
    for (let i = n; ; i++) {
      const mine = 1 + (i % 3)
      const outcome = await ledger.reserve(request(1_000_000_000n, mine, 4))
      if (!outcome.ok) throw new Error('no room')
      if (i % 5 === 0) await ledger.release(outcome.id)
      else {
        say(`s${mine}`)
        await ledger.serve(outcome.id)
        say(`a${mine}`)
        await ledger.commit(outcome.id)
      }
    }
  }
  await Promise.all(Array.from({ length: 8 }, (_, n) => loop(n)))
}

/** Holds a place and does nothing more. */
async function hold(): Promise<void> {
  await ledger.reserve(request(10n, 1))
  say('held')
  await once(process.stdin, 'data')
}

/** Holds two places, one of them being served; goes on with both when told to, whatever has happened meanwhile. */
async function nap(): Promise<void> {
  const [first, second] = [await ledger.reserve(request(10n, 1)), await ledger.reserve(request(10n, 2))]
  if (!first.ok || !second.ok) throw new Error('no room')
  await ledger.serve(second.id)
  say('held')
  await once(process.stdin, 'data')
  await ledger.serve(first.id).then(
    () => say('served'),
    (error: Error) => say(`refused: ${error.message}`),
  )
  await ledger.commit(first.id)
  await ledger.release(second.id)
  say((await ledger.reserve(request(10n, 3))).ok ? 'reserved' : 'no room')
  await ledger.close()
  process.stdin.destroy()
}

/** Leaves without closing. */
async function leave(): Promise<void> {
  const outcome = await ledger.reserve(request(10n, 1))
  if (outcome.ok) await ledger.commit(outcome.id)
  say('done')
}

const modes: Readonly<Record<string, () => Promise<void>>> = { burst, churn, hold, nap, leave }
await modes[mode]?.()
