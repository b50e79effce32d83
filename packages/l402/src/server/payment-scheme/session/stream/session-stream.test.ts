import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { encodeUtf8 } from '../../../../core/bytes.ts'
import { L402Error } from '../../../../core/errors.ts'
import { memoryStore } from '../../../../stores/memory/memory-ledger.ts'
import { createAccess } from '../../../access.ts'
import { countedEntitlement } from '../../../entitlement.ts'
import type { RouteTerms } from '../../../gate.ts'
import type { Charge } from '../../../metering/charge.ts'
import { readCharge } from '../../../metering/charge-offer.ts'
import { createMeter } from '../../../metering/create-meter.ts'
import { pausableClock } from '../../../metering/pausable-clock.ts'
import { SessionStream, type StreamEnd } from './session-stream.ts'

const TOKEN = new Uint8Array(32).fill(1)
const ID = 'ab'.repeat(32)
const HEAD = ['Content-Type', 'text/event-stream']

/** A stream on a real ledger: an account with so much on it, and what its client sees. */
async function streamOn({
  creditMsat,
  charge,
  waitMs = 60_000,
  now,
  onSend,
}: {
  readonly creditMsat: bigint
  readonly charge: Charge
  readonly waitMs?: number
  readonly now?: () => number
  readonly onSend?: (text: string) => void
}) {
  const ledger = memoryStore()
  let payments = 0
  let open = true
  let touched = 0
  let seenMsat: bigint | undefined
  const topUp = (msat: bigint): Promise<boolean> => {
    const paymentHash = new Uint8Array(32).fill(2 + payments++)
    return ledger.credit({ paymentHash, tokenId: TOKEN, service: 'ai', endsAtMs: null }, msat)
  }
  await topUp(creditMsat)
  const held = await ledger.reserve({
    redemption: { paymentHash: new Uint8Array(32).fill(2), tokenId: TOKEN, service: 'ai', endsAtMs: null },
    uses: [{ key: TOKEN, limit: 'credited', amount: charge.estimateMsat, metered: true }],
  })
  if (!held.ok) throw new Error('expected room for the estimate')
  const credential = { tokenId: ID, paymentHash: ID }
  const hold = { ledger, id: held.id, claim: null, keepBytes: 0, answerHeaders: [] }
  const entitlement = countedEntitlement(credential, 'ai', hold)
  await entitlement.serve()
  const account = async () => {
    const [state] = await ledger.read([TOKEN])
    return { usedMsat: state?.used ?? 0n, creditedMsat: state?.credited ?? 0n, lostMsat: state?.lost ?? 0n }
  }
  const clock = pausableClock(now)
  const route = { charge } as RouteTerms
  const { access, metering } =
    charge.byHandler === true
      ? createAccess(entitlement, route, 'GET')
      : { access: null, metering: { meter: createMeter(charge, { now: clock.now }), charge, clock } }
  metering?.meter.head(200, HEAD)
  const seen: string[] = []
  const cuts: string[] = []
  const stream = new SessionStream({
    session: {
      id: ID,
      worthMsat: (units) => units,
      touch: () => void touched++,
      left: async () => {
        if (seenMsat !== undefined) return seenMsat
        const { creditedMsat, usedMsat } = await account()
        return creditedMsat - usedMsat
      },
      standing: async () => ({ open, spentMsat: (await account()).usedMsat }),
    },
    entitlement,
    metering,
    send: (bytes) => {
      const text = new TextDecoder().decode(bytes)
      seen.push(text)
      onSend?.(text)
    },
    onCut: (why) => void cuts.push(why),
    waitMs,
    lookMs: 2,
  })
  return {
    ...{ ledger, entitlement, stream, topUp, account, cuts },
    charge: (msat: bigint) => access?.charge(msat),
    touched: () => touched,
    text: () => seen.join(''),
    push: (text: string) => stream.push(encodeUtf8(text)),
    leftIs: (msat: bigint | undefined) => {
      seenMsat = msat
    },
    closeSession: () => {
      open = false
    },
  }
}

const perEvent = readCharge('route', { events: '2 sat', estimate: '2 sat' })
const event = (n: number): string => `data: ${n}\n\n`
const dataOf = (text: string, name: string): unknown[] =>
  [...text.matchAll(new RegExp(`^event: ${name}\\ndata: (.*)\\n\\n`, 'gm'))].map(([, json]) =>
    JSON.parse(json ?? ''),
  )
const received = (text: string): string[] => [...text.matchAll(/^data: (\d+)\n\n/gm)].map(([, n]) => n ?? '')

describe('the event stream of a session', () => {
  it('lets each event out when it is paid, asks for a top-up, goes on with it, and ends with a receipt', async () => {
    const s = await streamOn({ creditMsat: 4_000n, charge: perEvent })
    await s.push(event(1) + event(2))
    expect(s.text()).toBe(event(1) + event(2))
    const waits = s.push(event(3) + event(4))
    await expect.poll(s.text).toContain('payment-need-topup')
    expect(dataOf(s.text(), 'payment-need-topup')).toEqual([
      { sessionId: ID, balanceSpent: 4, balanceRequired: 2 },
    ])
    expect(received(s.text())).toEqual(['1', '2'])
    await s.topUp(10_000n)
    await waits
    expect(received(s.text())).toEqual(['1', '2', '3', '4'])
    expect(s.touched()).toBeGreaterThan(2)

    await s.push('data: [DONE]\n\n')
    expect(s.text()).not.toContain('DONE')
    const end = await s.stream.finish()
    expect(end?.costMsat).toBe(8_000n)
    await s.entitlement.commit({ costMsat: end?.costMsat ?? 0n })
    expect(await s.account()).toEqual({ usedMsat: 8_000n, creditedMsat: 14_000n, lostMsat: 0n })
    const receipt = new TextDecoder().decode(end?.receipt)
    expect(dataOf(receipt, 'payment-receipt')).toEqual([
      {
        ...{ method: 'lightning', reference: ID, status: 'success', spent: 8, units: 4 },
        timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      },
    ])
    expect(new TextDecoder().decode(end?.done)).toBe('data: [DONE]\n\n')
    expect(s.push(event(5))).toBeUndefined()
    expect(received(s.text())).toHaveLength(4)
  })

  it('ends with session-timeout where nobody tops up, and charges what went out', async () => {
    const s = await streamOn({ creditMsat: 4_999n, charge: perEvent, waitMs: 20 })
    const ended = s.push(event(1) + event(2) + event(3))
    const shortage = { sessionId: ID, balanceSpent: 4, balanceRequired: 2 }
    await expect.poll(s.text).toContain('payment-need-topup')
    // What does not suffice stays on the balance.
    expect(await s.account()).toMatchObject({ usedMsat: 4_000n })
    await ended
    expect(s.text()).toBe(
      `${event(1)}${event(2)}event: payment-need-topup\ndata: ${JSON.stringify(shortage)}\n\n` +
        `event: session-timeout\ndata: ${JSON.stringify(shortage)}\n\n`,
    )
    expect(s.cuts).toEqual(['timeout'])
    await s.entitlement.commit({ costMsat: s.stream.cut() ?? 0n })
    expect(await s.account()).toEqual({ usedMsat: 4_000n, creditedMsat: 4_999n, lostMsat: 0n })
    expect(await s.stream.finish()).toBeUndefined()
  })

  it('waits no longer for a session that was closed, or for a client that has left', async () => {
    const closed = await streamOn({ creditMsat: 2_000n, charge: perEvent })
    const waits = closed.push(event(1) + event(2))
    await expect.poll(closed.text).toContain('payment-need-topup')
    closed.closeSession()
    await waits
    expect([closed.cuts, closed.text()]).toEqual([['timeout'], expect.stringContaining('session-timeout')])

    const alone = await streamOn({ creditMsat: 2_000n, charge: perEvent })
    alone.stream.goOnAlone()
    await alone.push(event(1) + event(2))
    expect([alone.cuts, alone.text()]).toEqual([['exhausted'], event(1)])

    const left = await streamOn({ creditMsat: 2_000n, charge: perEvent })
    const lost = left.push(event(1) + event(2))
    await expect.poll(left.text).toContain('payment-need-topup')
    expect(left.stream.cut()).toBe(2_000n)
    await lost
    expect([left.cuts, left.text()]).toEqual([[], expect.not.stringContaining('timeout')])
  })

  it('says nothing in the middle of an event that is too long to keep', async () => {
    const charge = readCharge('route', { responseBytes: '1 msat', estimate: '1 sat' })
    const s = await streamOn({ creditMsat: 1_500_000n, charge })
    await s.push(`data: ${'x'.repeat(1_200_000)}`)
    expect(s.text()).toHaveLength(1_200_006)
    await s.push('x'.repeat(1_200_000))
    expect([s.cuts, s.text().length]).toEqual([['exhausted'], 1_200_006])
    expect(s.stream.certain()).toBe(1_200_006n)
  })

  it('closes an event that the resource left open before it says more', async () => {
    const s = await streamOn({ creditMsat: 8_000n, charge: perEvent })
    await s.push(`${event(1)}data: 2`)
    const end = await s.stream.finish()
    expect(s.text()).toBe(`${event(1)}data: 2\n\n`)
    expect(end?.costMsat).toBe(4_000n)
  })

  it('counts no bytes of its own where it closes an event', async () => {
    const charge = readCharge('route', { responseBytes: '1 msat', events: '1 sat', estimate: '2 sat' })
    const s = await streamOn({ creditMsat: 8_000n, charge })
    await s.push(`${event(1)}data: 2`)
    const end = await s.stream.finish()
    expect(s.text()).toBe(`${event(1)}data: 2\n\n`)
    expect(end?.costMsat).toBe(2_000n + 9n + 7n)
  })

  it('closes one that is too long to keep and ends just where a part of it did, too', async () => {
    const s = await streamOn({ creditMsat: 8_000n, charge: perEvent })
    const long = `data: ${'x'.repeat(1_200_000)}`
    await s.push(long)
    const end = await s.stream.finish()
    expect(s.text().slice(long.length)).toBe('\n\n')
    expect(end?.costMsat).toBe(2_000n)
    expect(dataOf(new TextDecoder().decode(end?.receipt), 'payment-receipt')).toMatchObject([{ units: 1 }])
  })

  it('forgets nothing that comes just when what it waited for has gone out', async () => {
    let end: Promise<StreamEnd | undefined> | undefined
    const s = await streamOn({
      creditMsat: 100_000n,
      charge: perEvent,
      onSend: (text) => {
        if (!text.includes(event(2))) return
        // Before whoever waits for the stream hears of it.
        queueMicrotask(() => {
          void s.push(event(3) + event(4))
          end = s.stream.finish()
        })
      },
    })
    await s.push(event(1) + event(2))
    expect((await end)?.costMsat).toBe(8_000n)
    expect(received(s.text())).toEqual(['1', '2', '3', '4'])
  })

  it('keeps the resource’s own end for its receipt, and not without bound what comes behind it', async () => {
    const s = await streamOn({ creditMsat: 8_000n, charge: perEvent })
    await s.push('data: [DONE]\n\n')
    for (let i = 0; i < 1_000; i++) await s.push(':\n\n')
    expect(s.text()).toBe('')
    for (let i = 0; i < 1_000; i++) await s.push(':\n\n')
    expect(s.text()).toContain('data: [DONE]\n\n')
    const end = await s.stream.finish()
    const whole = `${s.text()}${new TextDecoder().decode(end?.done)}`
    expect(whole).toBe(`data: [DONE]\n\n${':\n\n'.repeat(2_000)}`)
  })

  it('costs no time while it waits', async () => {
    let nowMs = 0
    const charge = readCharge('route', { seconds: '1 sat', estimate: '1 sat' })
    const s = await streamOn({ creditMsat: 3_000n, charge, now: () => nowMs })
    await s.push(event(1))
    nowMs = 4_000
    const waits = s.push(event(2))
    await expect.poll(s.text).toContain('"balanceRequired":4')
    nowMs = 600_000
    await s.topUp(50_000n)
    await waits
    nowMs += 1_000
    await s.push(event(3))
    expect((await s.stream.finish())?.costMsat).toBe(5_000n)
  })

  it('asks for what its handler has said of each event, and charges none that waits where its client leaves', async () => {
    const charge = readCharge('route', { byHandler: true, estimate: '2 sat' })
    const s = await streamOn({ creditMsat: 4_000n, charge })
    const say = (n: number): Promise<void> | undefined => {
      s.charge(3_000n)
      return s.push(event(n))
    }
    const waits = say(1)
    // Said and written while the books are asked about the first one.
    for (const n of [2, 3, 4]) void say(n)
    await expect.poll(s.text).toContain('payment-need-topup')
    expect(received(s.text())).toEqual(['1'])
    expect(dataOf(s.text(), 'payment-need-topup')).toMatchObject([{ balanceRequired: 3 }])
    await s.topUp(4_000n)
    await expect.poll(() => received(s.text())).toEqual(['1', '2'])
    s.charge(500n)
    expect(s.stream.cut()).toBe(6_000n)
    await waits
    await s.entitlement.commit({ costMsat: 6_000n })
    expect(await s.account()).toMatchObject({ usedMsat: 6_000n })
  })

  it('charges all that its handler has said where nothing waits', async () => {
    const charge = readCharge('route', { byHandler: true, estimate: '2 sat' })
    const s = await streamOn({ creditMsat: 4_000n, charge })
    await s.push(event(1))
    s.charge(1_500n)
    expect(s.stream.cut()).toBe(1_500n)
  })

  it('goes on with all that it has drawn, where another request was quicker than its look at the balance', async () => {
    const charge = readCharge('route', { events: '5 sat', estimate: '5 sat' })
    const s = await streamOn({ creditMsat: 8_000n, charge })
    await s.push(event(1))
    // It sees what is there, and another request draws a part of it.
    s.leftIs(7_000n)
    const waits = s.push(event(2))
    await expect.poll(s.text).toContain('payment-need-topup')
    s.leftIs(undefined)
    await s.topUp(2_000n)
    await waits
    expect(received(s.text())).toEqual(['1', '2'])
  })

  it('waits for books that are out of reach, and serves nothing meanwhile', async () => {
    const s = await streamOn({ creditMsat: 20_000n, charge: perEvent })
    const down = vi.spyOn(s.ledger, 'draw').mockRejectedValue(new L402Error('store_unavailable', 'away'))
    const waits = s.push(event(1) + event(2))
    await vi.waitFor(() => expect(down.mock.calls.length).toBeGreaterThan(3))
    expect([s.text(), s.cuts]).toEqual([event(1), []])
    down.mockRestore()
    await waits
    expect(s.text()).toBe(event(1) + event(2))
  })

  it('never lets out more than was there, and charges just what it let out, whatever is topped up when', async () => {
    const run = async (
      creditMsat: bigint,
      { sizes, topUps, cutAt }: { sizes: readonly number[]; topUps: readonly bigint[]; cutAt: number },
    ): Promise<void> => {
      const charge = readCharge('route', { responseBytes: '7 msat/3', events: 50n, estimate: 400n })
      const s = await streamOn({ creditMsat, charge, waitMs: 12 })
      const later = [...topUps]
      let sent = 0
      for (const [n, size] of sizes.entries()) {
        if (n === cutAt || s.cuts.length > 0) break
        const waits = s.push(`data: ${'x'.repeat(size)}\n\n`)
        const more = later.shift()
        if (more !== undefined) await s.topUp(more)
        await waits
        sent++
        const { usedMsat, creditedMsat } = await s.account()
        expect(usedMsat).toBeLessThanOrEqual(creditedMsat)
      }
      const end = sent === sizes.length ? await s.stream.finish() : undefined
      const costMsat = end?.costMsat ?? s.stream.cut() ?? 0n
      await s.entitlement.commit({ costMsat })
      const out = [...s.text().matchAll(/^data: x*\n\n/gm)].map(([whole]) => whole)
      const bytes = BigInt(out.join('').length)
      const worthMsat = (bytes * 7n + 2n) / 3n + 50n * BigInt(out.length)
      const { usedMsat, lostMsat, creditedMsat } = await s.account()
      // A stream that ends before its first event costs its estimate, as any answer does.
      expect(usedMsat).toBe(out.length === 0 && end === undefined ? 400n : worthMsat)
      expect([lostMsat, usedMsat <= creditedMsat]).toEqual([0n, true])
    }
    const amount = fc.bigInt({ min: 1n, max: 3_000n })
    await fc.assert(
      fc.asyncProperty(
        fc.bigInt({ min: 400n, max: 3_000n }),
        fc.record({
          sizes: fc.array(fc.nat(300), { maxLength: 12 }),
          topUps: fc.array(amount, { maxLength: 6 }),
          cutAt: fc.nat(20),
        }),
        run,
      ),
      { numRuns: 100 },
    )
  })
})
