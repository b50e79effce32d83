import { describe, expect, it, vi } from 'vitest'
import type { Ledger } from '../packages/l402/src/stores/ledger.ts'
import {
  freshKey,
  freshRedemption,
  request,
  reserved,
  use,
  usedOf,
} from '../packages/l402/src/stores/ledger-contract.test-suite.ts'
import { postgresStore } from '../packages/l402/src/stores/postgres/index.ts'
import { secret } from './lib/postgres.ts'
import { closeAll, count, cutAll, databaseOf, faultOf, open, programs, server } from './lib/postgres-suite.ts'
import { startProxy } from './lib/proxy.ts'

const works = (ledger: Ledger): Promise<boolean> =>
  ledger.ping().then(
    () => true,
    () => false,
  )

const name =
  programs === undefined
    ? 'SKIPPED: PostgreSQL is not installed'
    : 'a ledger in PostgreSQL, when something fails'

describe.skipIf(programs === undefined)(name, () => {
  describe('a ledger that loses its connection', () => {
    it('takes over what it held, under a new owner', async () => {
      const url = server.url()
      const ledger = await open({ url })
      const other = await open({ url, sweepMs: 3_600_000 })
      const key = freshKey()
      const [a, b, c] = [
        await reserved(ledger, use(key, 9n)),
        await reserved(ledger, use(key, 9n)),
        await reserved(ledger, use(key, 9n)),
      ]
      await ledger.serve(a.id)
      const owner = server.sql(databaseOf(url), 'SELECT DISTINCT owner FROM turnpike.reservations')
      cutAll(url)
      await vi.waitUntil(() => works(ledger), { timeout: 5_000, interval: 10 })
      const after = server.sql(databaseOf(url), 'SELECT DISTINCT owner FROM turnpike.reservations')
      expect(after).not.toBe(owner)
      await ledger.commit(a.id)
      await ledger.serve(b.id)
      await ledger.commit(b.id)
      await ledger.release(c.id)
      expect(await usedOf(ledger, key)).toBe(2n)
      expect(count(url, 'reservations')).toBe(0)
      await other.close()
    })

    it('serves nothing that others have given back meanwhile (rule 9); what was being served counts', async () => {
      const url = server.url()
      const ledger = await open({ url })
      const other = await open({ url, sweepMs: 20 })
      const key = freshKey()
      const [waiting, serving] = [await reserved(ledger, use(key, 9n)), await reserved(ledger, use(key, 9n))]
      await ledger.serve(serving.id)
      const pid = server.sql(
        databaseOf(url),
        `SELECT o.pid FROM turnpike.owners o JOIN turnpike.reservations r ON r.owner = o.id LIMIT 1`,
      )
      server.sql('postgres', `ALTER ROLE turnpike NOLOGIN; SELECT pg_terminate_backend(${pid})`)
      try {
        await vi.waitUntil(async () => (await usedOf(other, key)) === 1n, { timeout: 5_000, interval: 10 })
        expect(await faultOf(ledger.reserve(request(use(key, 9n))))).toMatchObject({
          code: 'store_unavailable',
        })
      } finally {
        server.sql('postgres', 'ALTER ROLE turnpike LOGIN')
      }
      await vi.waitUntil(() => works(ledger), { timeout: 5_000, interval: 10 })
      expect(await faultOf(ledger.serve(waiting.id))).toMatchObject({
        code: 'store_unavailable',
        message: 'the reservation has lapsed: it was given back, so nothing may be served for it',
      })
      await ledger.release(waiting.id)
      await ledger.commit(serving.id)
      expect(await usedOf(ledger, key)).toBe(1n)
    })

    it('ends its own old session first, which may still be there', async () => {
      const url = server.url()
      const proxy = await startProxy(url)
      const ledger = await open({ url: proxy.url })
      const other = await open({ url, sweepMs: 20 })
      const key = freshKey()
      const held = await reserved(ledger, use(key, 9n))
      const pidOf = `SELECT o.pid FROM turnpike.owners o JOIN turnpike.reservations r ON r.owner = o.id`
      const before = server.sql(databaseOf(url), pidOf)
      proxy.cutClients()
      const alive = `SELECT count(*) FROM pg_stat_activity WHERE pid = ${before}`
      expect(server.sql('postgres', alive)).toBe('1')
      await vi.waitUntil(() => works(ledger), { timeout: 5_000, interval: 10 })
      expect(server.sql('postgres', alive)).toBe('0')
      expect(server.sql(databaseOf(url), pidOf)).not.toBe(before)
      await ledger.serve(held.id)
      await ledger.commit(held.id)
      expect(await usedOf(other, key)).toBe(1n)
      await closeAll()
      proxy.close()
    })

    it('gives up a server that does not answer, in time', async () => {
      const url = server.url()
      const proxy = await startProxy(url)
      const ledger = await open({ url: proxy.url, timeoutMs: 300 })
      const key = freshKey()
      const held = await reserved(ledger, use(key, 9n))
      proxy.pause(true)
      for (const call of [ledger.serve(held.id), ledger.reserve(request(use(key, 9n)))])
        expect(await faultOf(call, 3_000)).toMatchObject({
          code: 'store_unavailable',
          message: expect.stringMatching(
            /could not be (written: no answer in time|reached: timeout expired)$/,
          ),
        })
      proxy.pause(false)
      await vi.waitUntil(() => works(ledger), { timeout: 5_000, interval: 10 })
      await ledger.serve(held.id)
      await ledger.commit(held.id)
      // The server may have written the reservation that nobody was told of; it is given back.
      expect(await usedOf(ledger, key)).toBe(1n)
      expect(count(url, 'reservations')).toBe(0)
      await closeAll()
      proxy.close()
    })
  })

  describe('a server that fails', () => {
    const CALLS = (ledger: Ledger, id: bigint, key: Uint8Array): readonly Promise<unknown>[] => [
      ledger.reserve(request(use(key, 10n))),
      ledger.serve(id),
      ledger.commit(id),
      ledger.read([key]),
      ledger.revoke({ tokenId: freshKey() }),
      ledger.ping(),
    ]

    it.each(['fast', 'immediate'] as const)(
      '(%s) is refused at once while it is down, and used when it is back',
      async (mode) => {
        const url = server.url()
        const ledger = await open({ url })
        const key = freshKey()
        const [held, given] = [await reserved(ledger, use(key, 10n)), await reserved(ledger, use(key, 10n))]
        await ledger.serve(held.id)
        server.stop(mode)
        try {
          for (const call of CALLS(ledger, held.id, key))
            expect(await faultOf(call, 1_000)).toMatchObject({ code: 'store_unavailable' })
          expect(await faultOf(ledger.release(given.id))).toMatchObject({
            message: expect.stringMatching(
              /^the ledger at postgres:\/\/turnpike@127\.0\.0\.1:\d+\/books_\d+ could not be/,
            ),
          })
        } finally {
          server.start()
        }
        await vi.waitUntil(() => works(ledger), { timeout: 10_000, interval: 20 })
        // The ends that could not be written are written now, without being asked again.
        await vi.waitUntil(() => count(url, 'reservations') === 0, { timeout: 5_000, interval: 20 })
        expect(await usedOf(ledger, key)).toBe(1n)
      },
    )

    it('in the middle of anything loses nothing that was acknowledged, and admits nothing twice', async () => {
      const url = server.url()
      const ledgers = [await open({ url }), await open({ url })]
      const key = freshKey()
      const [tally, failures] = [{ served: 0, committed: 0, asked: 0 }, new Set<string>()]
      let running = true
      const loop = async (ledger: Ledger): Promise<void> => {
        while (running) {
          try {
            const outcome = await ledger.reserve(request(use(key, 1_000_000n)))
            if (!outcome.ok) throw new Error('no room')
            tally.asked++
            await ledger.serve(outcome.id)
            tally.served++
            await ledger.commit(outcome.id)
            tally.committed++
          } catch (error) {
            failures.add((error as { code: string }).code)
            await new Promise((resolve) => setTimeout(resolve, 5))
          }
        }
      }
      const loops = ledgers.flatMap((ledger) => Array.from({ length: 16 }, () => loop(ledger)))
      for (const mode of ['immediate', 'fast', 'immediate'] as const) {
        const before = tally.committed
        await vi.waitUntil(() => tally.committed > before + 200, { timeout: 20_000, interval: 5 })
        server.stop(mode)
        server.start()
      }
      const before = tally.committed
      await vi.waitUntil(() => tally.committed > before + 200, { timeout: 20_000, interval: 5 })
      running = false
      await Promise.all(loops)
      await closeAll()
      const reader = await open({ url })
      const total = Number(await usedOf(reader, key))
      console.log(
        `server restarted 3 times: ${tally.served} served, ${total} counted, ${tally.asked} reserved`,
      )
      expect([...failures]).toEqual(['store_unavailable'])
      expect(total).toBeGreaterThanOrEqual(tally.served)
      expect(total).toBeLessThanOrEqual(tally.asked)
      expect(count(url, 'reservations')).toBe(0)
    })

    it('for one moment, one operation, or one lock, fails only that', async () => {
      const url = server.url()
      const ledger = await open({ url, timeoutMs: 300 })
      const key = freshKey()
      await reserved(ledger, use(key, 10n))
      server.sql(
        databaseOf(url),
        `CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF new.service = 'broken' THEN RAISE EXCEPTION 'disk is full'; END IF;
           IF new.service = 'slow' THEN PERFORM pg_sleep(5); END IF;
           RETURN new; END $$;
         CREATE TRIGGER broken BEFORE INSERT ON turnpike.redemptions FOR EACH ROW EXECUTE FUNCTION broken()`,
      )
      for (const [service, text] of [
        ['broken', /written: disk is full$/],
        ['slow', /statement timeout$/],
      ] as const) {
        const redemption = { ...freshRedemption(), service }
        const calls = [
          ledger.reserve({ redemption, uses: [use(key, 10n)] }),
          ledger.reserve(request(use(key, 10n))),
        ]
        for (const call of calls)
          expect(await faultOf(call, 1_500)).toMatchObject({
            code: 'store_unavailable',
            message: expect.stringMatching(text),
          })
      }
      expect(await usedOf(ledger, key)).toBe(1n)
    })

    it('does not let us in, and no fault says the password', async () => {
      const url = server.url()
      const wrong = new URL(url)
      wrong.password = `${secret}-not`
      const nowhere = new URL(url)
      nowhere.port = '1'
      const missing = new URL(url)
      missing.pathname = '/missing'
      for (const [address, text] of [
        [wrong, /could not be reached: password authentication failed for user "turnpike"$/],
        [
          nowhere,
          /^the ledger at postgres:\/\/turnpike@127\.0\.0\.1:1\/.* could not be reached: connect ECONNREFUSED/,
        ],
        [missing, /could not be reached: database "missing" does not exist$/],
      ] as const)
        expect(await faultOf(postgresStore({ url: address.href }))).toMatchObject({
          code: 'store_unavailable',
          message: expect.stringMatching(text),
        })
    })
  })
})
