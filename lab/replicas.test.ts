import { setTimeout as pause } from 'node:timers/promises'
import { decodeHex } from '@turnpike/l402'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ask } from '../packages/gateway/test/e2e/client.ts'
import { cleanUp, folderWith, type Program, serve } from '../packages/gateway/test/e2e/program.ts'
import type { Ledger } from '../packages/l402/src/stores/ledger.ts'
import { postgresStore } from '../packages/l402/src/stores/postgres/index.ts'
import { redisStore } from '../packages/l402/src/stores/redis/index.ts'
import { hammer, type Tally } from './lib/hammer.ts'
import { findPostgres, startPostgres } from './lib/postgres.ts'
import { type RecordingUpstream, startRecordingUpstream } from './lib/recording-upstream.ts'
import { hasRedis, startRedis } from './lib/redis.ts'
import { type Credential, emptyWallet } from './lib/wallet.ts'
import { bundleOf, fixedFor, shopConfig } from './lib/wares.ts'

/** A database that gateways share. */
interface Shared {
  /** As it stands in `turnpike.yaml`. */
  readonly url: string
  readonly openLedger: () => Promise<Ledger>
  readonly stop: () => Promise<void> | void
}

const programs = findPostgres()
const databases: readonly {
  readonly name: string
  readonly missing: string | undefined
  readonly start: () => Promise<Shared>
}[] = [
  {
    name: 'PostgreSQL',
    missing: programs === undefined ? 'PostgreSQL is not installed' : undefined,
    async start() {
      const server = await startPostgres(programs ?? '')
      const url = server.url()
      return { url, openLedger: () => postgresStore({ url }), stop: () => server.remove() }
    },
  },
  {
    name: 'Redis',
    missing: hasRedis ? undefined : 'redis-server is not installed',
    async start() {
      const server = await startRedis()
      const { url } = server
      return { url, openLedger: () => redisStore({ url }), stop: () => server.stop() }
    },
  },
]
for (const { missing } of databases) if (missing !== undefined) console.log(`SKIPPED: ${missing}`)

const CALLS = 1_000
const bundle = bundleOf(CALLS)
const credit = fixedFor(CALLS)

describe.each(databases)('four gateways on one $name', ({ name, missing, start }) => {
  const title = (text: string): string => (missing === undefined ? text : `SKIPPED: ${missing}: ${text}`)
  const test = it.skipIf(missing !== undefined)

  let shared: Shared
  let upstream: RecordingUpstream
  const wallet = emptyWallet()
  let folder: string
  let gateways: Program[] = []
  beforeAll(async () => {
    if (missing !== undefined) return
    shared = await start()
    upstream = await startRecordingUpstream()
    folder = folderWith(shopConfig([bundle, credit], { store: shared.url, upstream: upstream.origin }))
    gateways = await Promise.all([0, 1, 2, 3].map(() => serve(folder)))
  })
  afterAll(async () => {
    await cleanUp()
    await upstream?.close()
    await shared?.stop()
  })

  const at = (n: number): Program => gateways[n] as Program
  const everywhere = (): readonly string[] => gateways.map(({ url }) => url)
  const total = (...tallies: readonly Tally[]): Pick<Tally, 'served' | 'cut' | 'seen' | 'answered'> => {
    const sum = { served: 0, cut: 0, seen: 0, answered: 0 }
    for (const tally of tallies)
      for (const of of ['served', 'cut', 'seen', 'answered'] as const) sum[of] += tally[of]
    return sum
  }

  test(title('serve a bundle of 1,000 calls exactly 1,000 times'), async () => {
    const before = upstream.total
    const tally = await hammer(everywhere(), await wallet.buy(at(0), bundle), { upstream, clients: 8 })
    console.log(
      `${name}: ${CALLS} calls, served by each of the four: ${[...tally.servedBy.values()].join(', ')}`,
    )
    expect(total(tally)).toEqual({ served: CALLS, cut: 0, seen: 0, answered: 0 })
    expect([...tally.others.keys()]).toEqual([402])
    expect(tally.servedBy.size).toBe(4)
    expect(upstream.total - before).toBe(CALLS)
  })

  test(title('keep one rate together'), async () => {
    const whole = await wallet.buy(at(1), bundle)
    const paced = wallet.narrow(whole, 'rate=50/600')
    const first = await hammer(everywhere(), paced, { upstream, clients: 10, requests: 5 })
    expect(first.served).toBe(50)
    expect([...first.others]).toEqual([[429, 150]])
    // What was over the rate has used nothing of the bundle.
    const rest = await hammer(everywhere(), whole, { upstream, clients: 8 })
    expect(first.served + rest.served).toBe(CALLS)
  })

  test(title('refuse what was revoked, all of them within a second (protocol §4)'), async () => {
    const ledger = await shared.openLedger()
    const times: number[] = []
    try {
      for (let round = 0; round < 5; round++) {
        const bought = await wallet.buy(at(round % 4), bundle)
        const warm = await hammer(everywhere(), bought, { upstream, clients: 1, requests: 1 })
        expect(warm.served).toBe(4)
        await ledger.revoke({ tokenId: decodeHex(bought.tokenId) ?? new Uint8Array() })
        const since = performance.now()
        await Promise.all(everywhere().map((url) => refused(url, bought)))
        times.push(performance.now() - since)
      }
    } finally {
      await ledger.close()
    }
    console.log(
      `${name}: refused by all four ${times.map((ms) => ms.toFixed(0)).join(', ')} ms after it was revoked`,
    )
    for (const ms of times) expect(ms).toBeLessThan(1_000)
  })

  /** Asks until the gateway says that it is revoked. */
  async function refused(url: string, { authorization, ware }: Credential): Promise<void> {
    for (;;) {
      const path = `/${ware.route}/x?id=revoked`
      const { status, body } = await ask(url, 'GET', path, { headers: { Authorization: authorization } })
      if (status === 402) return expect(JSON.parse(body)).toMatchObject({ code: 'revoked' })
      expect(status).toBe(200)
    }
  }

  test.for([
    ['bundle', bundle],
    ['credit', credit],
  ] as const)(
    title('lose nothing of a %s but what was cut off, and give nothing away, when one is killed'),
    async ([what, ware]) => {
      const bought = await wallet.buy(at(2), ware)
      let killed: Promise<unknown> | undefined
      const tally = await hammer(everywhere(), bought, {
        upstream,
        clients: 8,
        onServed({ served }) {
          if (served === 400) killed = at(3).kill()
        },
      })
      await killed
      gateways = [...gateways.slice(0, 3), await serve(folder)]
      const cut = total(tally)
      expect(cut.cut).toBeGreaterThan(0)
      // What the dead one held is given back when the others find it dead.
      let rest = 0
      const endsAt = performance.now() + 30_000
      for (;;) {
        rest += (await hammer(everywhere(), bought, { upstream, clients: 2 })).served
        if (cut.served + rest + cut.answered >= CALLS || performance.now() > endsAt) break
        await pause(200)
      }
      console.log(
        `${name}, ${what}, one of four killed: ${cut.served} served, ${cut.cut} cut off (${cut.answered} of them answered by the ` +
          `upstream, ${cut.seen} begun), ${rest} more served: ${CALLS - cut.served - rest} used by what was cut off`,
      )
      expect(cut.served + cut.seen + rest).toBeLessThanOrEqual(CALLS)
      expect(cut.served + cut.answered + rest).toBeGreaterThanOrEqual(CALLS)
    },
  )
})
