import { describe, expect, it, vi } from 'vitest'
import type { Ledger } from '../packages/l402/src/stores/ledger.ts'
import {
  describeLedger,
  freshKey,
  freshRedemption,
  request,
  reserved,
  use,
  usedOf,
} from '../packages/l402/src/stores/ledger-contract.test-suite.ts'
import { postgresStore } from '../packages/l402/src/stores/postgres/index.ts'
import { MIGRATIONS } from '../packages/l402/src/stores/postgres/schema.ts'
import { isShort } from './lib/flags.ts'
import {
  count,
  counter,
  databaseOf,
  faultOf,
  open,
  programs,
  server,
  start,
  used,
} from './lib/postgres-suite.ts'

const name = programs === undefined ? 'SKIPPED: PostgreSQL is not installed' : 'a ledger in PostgreSQL'

describe.skipIf(programs === undefined)(name, () => {
  describeLedger('postgresStore', async (now) => {
    const url = server.url()
    let ledger = await postgresStore({ url, now })
    return {
      ledger,
      restart: async () => {
        await ledger.close()
        ledger = await postgresStore({ url, now })
        return ledger
      },
    }
  })

  describe('books', () => {
    it('record a payment once, and hold no row for a counter that nobody got into', async () => {
      const url = server.url()
      let now = 1_000
      const ledger = await open({ url, now: () => now })
      const redemption = { ...freshRedemption(), service: 'a "b" \\ \0 {é},NULL' }
      const uses = [use(freshKey(), 2n)]
      await ledger.reserve({ redemption, uses: [use(freshKey(), 0n)] })
      expect([count(url, 'counters'), count(url, 'redemptions')]).toEqual([0, 0])
      for (now of [2_000, 3_000]) await ledger.reserve({ redemption, uses })
      await ledger.reserve({ redemption, uses: [...uses, use(freshKey(), 5n)] })
      const other = await open({ url })
      await other.reserve({ redemption: { ...redemption, service: 'other' }, uses: [use(freshKey(), 2n)] })
      expect(server.sql(databaseOf(url), 'SELECT service, first_seen_ms FROM turnpike.redemptions')).toBe(
        'a "b" \\ \ufffd {é},NULL|2000',
      )
      expect(count(url, 'counters')).toBe(2)
    })

    it('are brought to their version by the first of many that open them', async () => {
      const url = server.url()
      const ledgers = await Promise.all(Array.from({ length: 6 }, () => open({ url })))
      await Promise.all(ledgers.map((ledger) => ledger.ping()))
      expect(server.sql(databaseOf(url), 'SELECT * FROM turnpike.ledger_version')).toBe(
        String(MIGRATIONS.length),
      )
    })

    it('of version 1 are brought to this version: what was served counts, what was only reserved is given back', async () => {
      const url = server.url()
      const counter = freshKey()
      const payer = freshRedemption()
      const hex = (bytes: Uint8Array): string => `'\\x${Buffer.from(bytes).toString('hex')}'`
      const uses = (amount: number): string =>
        `'\\x${Buffer.from(counter).toString('hex')}${amount.toString(16).padStart(16, '0')}'`
      server.sql(
        databaseOf(url),
        `SET ROLE turnpike; CREATE SCHEMA turnpike; SET search_path = turnpike; ${MIGRATIONS[0]};
         CREATE TABLE ledger_version(version integer NOT NULL); INSERT INTO ledger_version VALUES (1);
         INSERT INTO counters VALUES (${hex(counter)}, 5);
         INSERT INTO owners(id, pid) VALUES (7, 0);
         INSERT INTO reservations VALUES (1, 7, true, ${uses(2)}), (2, 7, false, ${uses(1)});
         INSERT INTO redemptions VALUES (${hex(payer.paymentHash)}, ${hex(payer.tokenId)}, 'weather', 1);
         INSERT INTO revocations(kind, key, at_ms) VALUES ('token', ${hex(payer.tokenId)}, 1)`,
      )
      const ledger = await open({ url })
      expect(await usedOf(ledger, counter)).toBe(4n)
      expect(ledger.isRevoked(payer)).toBe(true)
      expect(await ledger.credit(payer, 5n)).toBe(false)
      expect(await ledger.credit(freshRedemption(), 5n)).toBe(true)
      expect((await reserved(ledger, use(counter, 9n))).states).toEqual([{ used: 5n }])
    })

    it('of version 2 are brought to this version, and keep windows, claims and answers', async () => {
      const url = server.url()
      const database = databaseOf(url)
      const [window, running, done] = [freshKey(), freshKey(), freshKey()]
      const hex = (bytes: Uint8Array): string => `'\\x${Buffer.from(bytes).toString('hex')}'`
      server.sql(
        database,
        `SET ROLE turnpike; CREATE SCHEMA turnpike; SET search_path = turnpike; ${MIGRATIONS[0]}; ${MIGRATIONS[1]};
         CREATE TABLE ledger_version(version integer NOT NULL); INSERT INTO ledger_version VALUES (2);
         INSERT INTO owners(id, pid) VALUES (7, 0);
         INSERT INTO windows VALUES (${hex(window)}, '{4000000000000}', '{1}', 4000000000000, 3814697);
         INSERT INTO claims VALUES (${hex(running)}, ${hex(running)}, 7, NULL, 4000000000000),
           (${hex(done)}, ${hex(done)}, NULL, 'done', 4000000000000)`,
      )
      const ledger = await open({ url })
      const untilMs = 4_000_000_000_000
      expect(await ledger.pace([{ key: window, limit: 1n, windowMs: 1_000 }])).toMatchObject({ ok: false })
      expect(await ledger.claim({ key: running, digest: running, untilMs })).toEqual({ state: 'claimed' })
      const kept = await ledger.claim({ key: done, digest: done, untilMs })
      expect('answer' in kept && Buffer.from(kept.answer).toString()).toBe('done')
    })

    it('of a newer version are refused and stay as they are', async () => {
      const url = server.url()
      await (await postgresStore({ url })).close()
      server.sql(databaseOf(url), 'UPDATE turnpike.ledger_version SET version = 99')
      expect(await faultOf(postgresStore({ url }))).toMatchObject({
        code: 'store_incompatible',
        message: expect.stringMatching(/has version 99, this program knows up to 3: use the newer program/),
        details: { version: 99, known: 3 },
      })
      expect(count(url, 'owners')).toBe(0)
    })

    it('do not mix with another program’s tables', async () => {
      const url = server.url()
      server.sql(
        databaseOf(url),
        'CREATE SCHEMA turnpike AUTHORIZATION turnpike; CREATE TABLE turnpike.songs(title text)',
      )
      expect(await faultOf(postgresStore({ url }))).toMatchObject({
        code: 'store_incompatible',
        message: expect.stringMatching(
          /^the schema "turnpike" of .* belongs to another program: name another one$/,
        ),
      })
      const ledger = await open({ url, schema: 'mine' })
      await expect(ledger.ping()).resolves.toBeUndefined()
    })

    it('may be in an empty schema that is ours, where we may make none; else the fault says what is not allowed', async () => {
      const url = server.url()
      const database = databaseOf(url)
      server.sql('postgres', `ALTER DATABASE ${database} OWNER TO postgres`)
      expect(await faultOf(postgresStore({ url }))).toMatchObject({
        code: 'store_unavailable',
        message: expect.stringContaining(`permission denied for database ${database}`),
      })
      server.sql(database, 'CREATE SCHEMA turnpike AUTHORIZATION turnpike')
      await expect((await open({ url })).ping()).resolves.toBeUndefined()
    })

    it('are two where the schemas are two', async () => {
      const url = server.url()
      const [a, b] = [await open({ url, schema: 'a' }), await open({ url, schema: 'b' })]
      const key = freshKey()
      await reserved(a, use(key, 1n))
      await b.revoke({ tokenId: key })
      expect(await usedOf(b, key)).toBe(0n)
      await a.ping()
      expect(a.isRevoked({ tokenId: key, paymentHash: key })).toBe(false)
    })

    it('are durable whatever the server’s defaults are', async () => {
      const url = server.url()
      server.sql(
        'postgres',
        `ALTER DATABASE ${databaseOf(url)} SET synchronous_commit = off;
         ALTER DATABASE ${databaseOf(url)} SET default_transaction_isolation = 'serializable'`,
      )
      const ledger = await open({ url })
      server.sql(
        databaseOf(url),
        `CREATE TABLE seen AS SELECT ''::text AS a, ''::text AS b;
         GRANT ALL ON seen TO turnpike;
         CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           UPDATE public.seen SET a = current_setting('synchronous_commit'), b = current_setting('transaction_isolation');
           RETURN new; END $$;
         CREATE TRIGGER see BEFORE INSERT ON turnpike.reservations FOR EACH ROW EXECUTE FUNCTION see()`,
      )
      await reserved(ledger, use(freshKey(), 1n))
      expect(server.sql(databaseOf(url), 'SELECT * FROM seen')).toBe('on|read committed')
    })
  })

  describe('several ledgers', () => {
    it('share limits, and end each other’s reservations when asked by id', async () => {
      const url = server.url()
      const [first, second] = [await open({ url }), await open({ url })]
      const key = freshKey()
      const outcomes = await Promise.all(
        Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? first : second).reserve(request(use(key, 20n)))),
      )
      const ids = outcomes.flatMap((outcome) => (outcome.ok ? [outcome.id] : []))
      expect(new Set(ids).size).toBe(20)
      await Promise.all(ids.map((id) => second.release(id)))
      expect(await usedOf(first, key)).toBe(0n)
    })

    it('never wait for each other in a circle, however their counters are ordered', async () => {
      const url = server.url()
      const ledgers = await Promise.all(Array.from({ length: 4 }, () => open({ url })))
      const keys = Array.from({ length: 12 }, freshKey)
      const payers = Array.from({ length: 4 }, freshRedemption)
      const shuffled = <T>(items: readonly T[]): T[] =>
        items
          .map((item) => [Math.random(), item] as const)
          .sort(([a], [b]) => a - b)
          .map(([, item]) => item)
      const loop = async (ledger: Ledger): Promise<void> => {
        for (let i = 0; i < 40; i++) {
          const uses = shuffled(keys)
            .slice(0, 5)
            .map((key) => use(key, 10_000n))
          const redemption = shuffled(payers)[0] ?? freshRedemption()
          const outcome = await ledger.reserve({ redemption, uses })
          if (!outcome.ok) throw new Error('no room')
          const end = shuffled(ledgers)[0] ?? ledger
          await (i % 2 === 0 ? end.release(outcome.id) : end.commit(outcome.id))
        }
      }
      await Promise.all(ledgers.flatMap((ledger) => Array.from({ length: 8 }, () => loop(ledger))))
      const states = await (ledgers[0] as Ledger).read(keys)
      expect(states.reduce((sum, state) => sum + state.used, 0n)).toBe(4n * 8n * 20n * 5n)
      const deadlocks = `SELECT deadlocks FROM pg_stat_database WHERE datname = '${databaseOf(url)}'`
      expect(server.sql('postgres', deadlocks)).toBe('0')
    })

    it('tell each other of a revocation within a second, and never reserve for it before they are told', async () => {
      const url = server.url()
      const HOUR = 3_600_000
      const [first, told, polling] = [
        await open({ url }),
        await open({ url, pollMs: HOUR }),
        await open({ url }),
      ]
      const redemption = freshRedemption()
      const epoch = told.revocationEpoch
      const started = performance.now()
      await first.revoke({ paymentHash: redemption.paymentHash })
      await vi.waitUntil(() => told.isRevoked(redemption), { timeout: 1_000, interval: 1 })
      console.log(
        `revocation: on another ledger after ${(performance.now() - started).toFixed(1)} ms (notification)`,
      )
      expect(told.revocationEpoch).toBe(epoch + 1)

      // Without a notification.
      const silent = freshRedemption()
      const hex = Buffer.from(silent.tokenId).toString('hex')
      const since = performance.now()
      const insert = `INSERT INTO turnpike.revocations(kind, key, at_ms) VALUES ('token', '\\x${hex}', 0)`
      server.sql(databaseOf(url), insert)
      expect(await told.reserve({ redemption: silent, uses: [use(freshKey(), 1n)] })).toEqual({
        ok: false,
        failed: 'revoked',
      })
      expect(told.isRevoked(silent)).toBe(true)
      await vi.waitUntil(() => polling.isRevoked(silent), { timeout: 1_000, interval: 1 })
      console.log(`revocation: on another ledger after ${(performance.now() - since).toFixed(1)} ms (polled)`)
    })

    it('know what was revoked before they were opened', async () => {
      const url = server.url()
      const redemption = freshRedemption()
      await (await open({ url })).revoke({ tokenId: redemption.tokenId })
      expect((await open({ url })).isRevoked(redemption)).toBe(true)
    })
  })

  describe('several processes', () => {
    it('admit exactly as many as the limit (rule 2)', async () => {
      const url = server.url()
      const racers = Array.from({ length: 4 }, () => start('burst', url))
      await Promise.all(racers.map((racer) => racer.said(1)))
      for (const racer of racers) racer.process.stdin?.write('go\n')
      expect(await Promise.all(racers.map(({ ended }) => ended))).toEqual([0, 0, 0, 0])
      const admitted = racers
        .map(({ lines }) => Number((lines[1] ?? '').replace('admitted ', '')))
        .reduce((sum, n) => sum + n, 0)
      const ledger = await open({ url })
      expect(await used(ledger, 1, 2)).toEqual([admitted, admitted])
      const outcomes = await Promise.all(
        Array.from({ length: 100 }, () => ledger.reserve(request(use(counter(1), 100n)))),
      )
      expect(outcomes.filter(({ ok }) => ok)).toHaveLength(100 - admitted)
      expect([count(url, 'reservations'), count(url, 'owners')]).toEqual([100 - admitted, 1])
    })

    it('lose nothing that was being served and keep no reservation when killed (rules 3 and 9)', async () => {
      const url = server.url()
      const before = [0, 0, 0, 0]
      let lines = 0
      for (let round = 0; round < (isShort ? 3 : 8); round++) {
        const churners = [start('churn', url), start('churn', url)]
        await Promise.all(
          churners.map(async (churner) => {
            await churner.said(1 + Math.floor(Math.random() * 600))
            await churner.kill()
          }),
        )
        const said = churners.flatMap((churner) => churner.lines)
        lines += said.length
        const times = (what: string): number => said.filter((line) => line === what).length
        await settled(url)
        const ledger = await postgresStore({ url })
        const now = await used(ledger, 1, 2, 3, 4)
        for (const n of [1, 2, 3]) {
          const delta = (now[n - 1] ?? 0) - (before[n - 1] ?? 0)
          expect(delta).toBeGreaterThanOrEqual(times(`a${n}`))
          expect(delta).toBeLessThanOrEqual(times(`s${n}`))
        }
        expect(now[3]).toBe((now[0] ?? 0) + (now[1] ?? 0) + (now[2] ?? 0))
        expect([count(url, 'reservations'), count(url, 'owners')]).toEqual([0, 1])
        await ledger.close()
        before.splice(0, 4, ...now)
      }
      console.log(`processes killed: ${isShort ? 6 : 16} in the middle of ${lines} acknowledged steps`)
    })

    it('give back what one held when it dies, and not before; and need no close to end', async () => {
      const url = server.url()
      const [doomed, steady, leaving] = [start('hold', url), start('hold', url), start('leave', url)]
      await Promise.all([doomed.said(1), steady.said(1)])
      expect(await leaving.ended).toBe(0)
      const ledger = await open({ url, sweepMs: 50 })
      expect(await used(ledger, 1)).toEqual([3])
      await doomed.kill()
      await vi.waitUntil(async () => (await used(ledger, 1))[0] === 2, { timeout: 10_000, interval: 10 })
      await steady.kill()
      await vi.waitUntil(async () => (await used(ledger, 1))[0] === 1, { timeout: 10_000, interval: 10 })
      await vi.waitUntil(() => count(url, 'owners') === 1, { timeout: 10_000, interval: 10 })
    })
  })

  /** Until the server has noticed that its clients are gone. */
  const settled = async (url: string): Promise<void> => {
    const sessions = `SELECT count(*) FROM pg_stat_activity WHERE datname = '${databaseOf(url)}' AND pid <> pg_backend_pid()`
    await vi.waitUntil(() => server.sql('postgres', sessions) === '0', { timeout: 10_000, interval: 10 })
  }
})
