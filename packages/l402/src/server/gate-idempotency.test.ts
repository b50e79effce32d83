import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { BUNDLE, bench, FREE, METERED, narrowed, PASS, passed, refused } from '../../test/gate-bench.ts'
import { sqliteStore } from '../stores/sqlite/index.ts'
import type { Decision, Entitlement, GateRequest, StoredAnswer } from './gate.ts'

const digest = (n: number): Uint8Array => new Uint8Array(32).fill(n)
const created: StoredAnswer = {
  status: 201,
  headers: ['Content-Type', 'text/plain'],
  body: new TextEncoder().encode('made'),
}

function keyed(credential: string, key: string, body = 1): Partial<GateRequest> {
  return {
    method: 'POST',
    path: '/query',
    headers: ['Authorization', credential, 'Idempotency-Key', key],
    contentDigest: digest(body),
  }
}

function held(decision: Decision): Entitlement {
  const { entitlement } = passed(decision)
  if (entitlement === null) throw new Error('expected an entitlement')
  return entitlement
}

describe('Idempotency-Key (protocol §5 rule 10)', () => {
  it('replays the stored answer to the same request, and charges it once', async () => {
    const self = bench()
    const credential = await self.buy(BUNDLE)
    const first = held(await self.ask(BUNDLE, undefined, keyed(credential, 'k-1')))
    expect(first.keepBytes).toBe(262_144)
    await first.serve()
    await first.commit({ answer: created })
    for (let n = 0; n < 5; n++) {
      const again = await self.ask(BUNDLE, undefined, keyed(credential, '"k-1"'))
      expect(again).toMatchObject({ outcome: 'replay', tokenId: first.tokenId })
      if (again.outcome !== 'replay') return
      expect(again.answer.status).toBe(201)
      expect(again.answer.headers).toEqual(['Content-Type', 'text/plain', 'Idempotency-Replayed', 'true'])
      expect(new TextDecoder().decode(again.answer.body)).toBe('made')
    }
    expect(await self.gate.balance(['Authorization', credential])).toMatchObject({
      services: [{ budgets: [{ limit: 3n, left: 2n }] }],
    })
  })

  it('is replayed to a credential that is used up since, and to a copy with a shorter time', async () => {
    const self = bench()
    const credential = await self.buy(BUNDLE)
    await held(await self.ask(BUNDLE, undefined, keyed(credential, 'last'))).commit({ answer: created })
    for (const key of ['b', 'c'])
      await held(await self.ask(BUNDLE, undefined, keyed(credential, key))).commit()
    expect(refused(await self.ask(BUNDLE, credential)).reason).toBe('exhausted')
    expect((await self.ask(BUNDLE, undefined, keyed(credential, 'last'))).outcome).toBe('replay')
    const soon = narrowed(credential, `weather_valid_until=${self.clock / 1000 + 60}`)
    expect((await self.ask(BUNDLE, undefined, keyed(soon, 'last'))).outcome).toBe('replay')
  })

  it('charges once where the server stops before the answer is kept, and never executes again what was served', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'turnpike-idempotency-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const file = join(folder, 'ledger.db')
    const before = bench({ ledger: sqliteStore({ file }) })
    const [credential, pass] = [await before.buy(BUNDLE), await before.buy(PASS)]
    const asked = async (self: typeof before, key: string) =>
      self.ask(BUNDLE, undefined, keyed(credential, key))
    await held(await asked(before, 'served')).serve()
    held(await asked(before, 'begun'))
    await held(await before.ask(PASS, undefined, keyed(pass, 'passed'))).serve()
    await before.ledger.close()

    const after = bench({ ledger: sqliteStore({ file }) })
    const lost = { status: 409, reason: 'idempotency_lost' }
    expect(refused(await asked(after, 'served'))).toMatchObject(lost)
    expect(refused(await after.ask(PASS, undefined, keyed(pass, 'passed')))).toMatchObject(lost)
    await held(await asked(after, 'begun')).commit({ answer: created })
    expect((await asked(after, 'begun')).outcome).toBe('replay')
    expect(await after.gate.balance(['Authorization', credential])).toMatchObject({
      services: [{ budgets: [{ limit: 3n, left: 1n }] }],
    })
  })

  it('answers 409 to another body, and 409 with Retry-After while the first is running', async () => {
    const self = bench()
    const credential = await self.buy(BUNDLE)
    const first = held(await self.ask(BUNDLE, undefined, keyed(credential, 'k')))
    const running = refused(await self.ask(BUNDLE, undefined, keyed(credential, 'k')))
    expect(running).toMatchObject({ status: 409, reason: 'idempotency_running' })
    expect(running.headers).toContain('Retry-After')
    const conflict = { status: 409, reason: 'idempotency_conflict' }
    expect(refused(await self.ask(BUNDLE, undefined, keyed(credential, 'k', 2)))).toMatchObject(conflict)
    await first.commit({ answer: created })
    expect(refused(await self.ask(BUNDLE, undefined, keyed(credential, 'k', 2)))).toMatchObject(conflict)
    const elsewhere = { ...keyed(credential, 'k'), path: '/other' }
    expect(refused(await self.ask(BUNDLE, undefined, elsewhere))).toMatchObject(conflict)
  })

  it('lets one of many at once through', async () => {
    const self = bench()
    const credential = await self.buy(BUNDLE)
    const all = await Promise.all(
      Array.from({ length: 20 }, () => self.ask(BUNDLE, undefined, keyed(credential, 'k'))),
    )
    expect(all.filter(({ outcome }) => outcome === 'pass')).toHaveLength(1)
    expect(
      all.filter((one) => one.outcome === 'refuse' && one.reason === 'idempotency_running'),
    ).toHaveLength(19)
  })

  it('is free again when the resource was not served, or the credential not admitted', async () => {
    const self = bench()
    const credential = await self.buy(BUNDLE)
    await held(await self.ask(BUNDLE, undefined, keyed(credential, 'k'))).release()
    await held(await self.ask(BUNDLE, undefined, keyed(credential, 'k', 2))).commit({ answer: created })
    for (const key of ['b', 'c'])
      await held(await self.ask(BUNDLE, undefined, keyed(credential, key))).commit()
    expect(refused(await self.ask(BUNDLE, undefined, keyed(credential, 'd'))).reason).toBe('exhausted')
    expect(refused(await self.ask(BUNDLE, undefined, keyed(credential, 'd', 2))).reason).toBe('exhausted')
  })

  it('belongs to the budget it is charged to: neither other purchases nor sub-agents see it', async () => {
    const self = bench()
    const parent = await self.buy(BUNDLE)
    const child = narrowed(parent, 'weather_max_calls=1')
    await held(await self.ask(BUNDLE, undefined, keyed(parent, 'k'))).commit({ answer: created })
    passed(await self.ask(BUNDLE, undefined, keyed(await self.buy(BUNDLE), 'k')))
    passed(await self.ask(BUNDLE, undefined, keyed(child, 'k')))
  })

  it('does not keep what is too large: charged once, and never done again by itself', async () => {
    const self = bench({ idempotency: { keepBytes: 3 } })
    const credential = await self.buy(BUNDLE)
    await held(await self.ask(BUNDLE, undefined, keyed(credential, 'k'))).commit({ answer: created })
    expect(refused(await self.ask(BUNDLE, undefined, keyed(credential, 'k')))).toMatchObject({
      status: 409,
      reason: 'idempotency_unkept',
    })
    await held(await self.ask(BUNDLE, undefined, keyed(credential, 'left'))).commit()
    expect(refused(await self.ask(BUNDLE, undefined, keyed(credential, 'left'))).reason).toBe(
      'idempotency_unkept',
    )
  })

  it('is kept as long as it is said to be', async () => {
    const self = bench({ idempotency: { keepSeconds: 60 } })
    const credential = await self.buy(BUNDLE)
    await held(await self.ask(BUNDLE, undefined, keyed(credential, 'k'))).commit({ answer: created })
    self.clock += 59_000
    expect((await self.ask(BUNDLE, undefined, keyed(credential, 'k'))).outcome).toBe('replay')
    self.clock += 1_000
    passed(await self.ask(BUNDLE, undefined, keyed(credential, 'k')))
  })

  it('holds for time passes and metered routes too', async () => {
    const self = bench()
    const pass = await self.buy(PASS)
    const first = held(await self.ask(PASS, undefined, keyed(pass, 'k')))
    expect(first.counted).toBe(true)
    await first.commit({ answer: created })
    expect((await self.ask(PASS, undefined, keyed(pass, 'k'))).outcome).toBe('replay')
    const credit = await self.buy(METERED)
    await held(await self.ask(METERED, undefined, keyed(credit, 'k'))).commit({
      costMsat: 5n,
      answer: created,
    })
    expect((await self.ask(METERED, undefined, keyed(credit, 'k'))).outcome).toBe('replay')
    expect(await self.gate.balance(['Authorization', credit])).toMatchObject({
      services: [{ credit: { creditedMsat: 100_000n, leftMsat: 99_995n } }],
    })
  })

  it.each(['', ' ', 'a b', 'ä', '"', '"a', 'x'.repeat(256), `"${'x'.repeat(256)}"`, '"a"b"'])(
    'refuses %j as a key with 400, before anything is charged',
    async (key) => {
      const self = bench()
      const credential = await self.buy(BUNDLE)
      expect(refused(await self.ask(BUNDLE, undefined, keyed(credential, key)))).toMatchObject({
        status: 400,
        reason: 'idempotency_invalid',
      })
    },
  )

  it('refuses two keys', async () => {
    const self = bench()
    const credential = await self.buy(BUNDLE)
    const headers = ['Authorization', credential, 'Idempotency-Key', 'a', 'idempotency-key', 'a']
    const answer = refused(await self.ask(BUNDLE, undefined, { ...keyed(credential, 'a'), headers }))
    expect(answer.reason).toBe('idempotency_invalid')
  })

  it('means nothing to safe methods, free routes and requests without a credential', async () => {
    const self = bench()
    const credential = await self.buy(BUNDLE)
    const request = (more: Partial<GateRequest>): GateRequest => ({
      ...{ method: 'POST', path: '/query', clientAddress: '192.0.2.7', route: BUNDLE },
      headers: ['Authorization', credential, 'Idempotency-Key', 'k'],
      ...more,
    })
    expect(self.gate.wantsDigest(request({}))).toBe(true)
    expect(self.gate.wantsDigest(request({ method: 'GET' }))).toBe(false)
    expect(self.gate.wantsDigest(request({ route: FREE }))).toBe(false)
    expect(self.gate.wantsDigest(request({ headers: ['Idempotency-Key', 'k'] }))).toBe(false)
    expect(self.gate.wantsDigest(request({ headers: ['Authorization', credential] }))).toBe(false)
    const safe = { ...keyed(credential, 'k'), method: 'GET' }
    for (let n = 0; n < 2; n++) await held(await self.ask(BUNDLE, undefined, safe)).commit()
    expect(await self.ask(BUNDLE, undefined, safe)).toMatchObject({ outcome: 'pass' })
  })
})
