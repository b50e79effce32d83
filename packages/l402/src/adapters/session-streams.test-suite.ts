import { expect, it } from 'vitest'
import type { Bench } from '../../test/matrix.ts'
import { dataOf, numbersIn, sessionAt } from '../../test/matrix-sessions.ts'

const event = (n: number): string => `data: ${n}\n\n`

/** Event streams of sessions, for every adapter: 3 sat each, 4 held, of deposits of 10. */
export function itStreamsOnSessions(bench: () => Bench): void {
  it('holds a session’s event stream for a top-up, and ends it with a receipt (draft-lightning-session-00)', async () => {
    const self = bench()
    const session = await sessionAt(self, '/events')
    const { sessionId } = session
    self.pieces.push(event(1), event(2) + event(3), event(4), event(5), 'data: [DONE]\n\n', 'end')
    const { res, text } = await session.stream()
    expect(res.headers).toMatchObject({ 'content-type': 'text/event-stream' })
    expect(res.headers['payment-receipt']).toBeTypeOf('string')
    await expect.poll(text).toContain('payment-need-topup')
    expect(numbersIn(text())).toEqual(['1', '2', '3'])
    expect(dataOf(text(), 'payment-need-topup')).toEqual([
      { sessionId, balanceSpent: 10, balanceRequired: 3 },
    ])
    expect(await session.topUp()).toEqual({ status: 'ok' })
    await expect.poll(() => res.readableEnded).toBe(true)
    expect(numbersIn(text())).toEqual(['1', '2', '3', '4', '5'])
    const receipt = { method: 'lightning', reference: sessionId, status: 'success', spent: 15, units: 5 }
    expect(dataOf(text(), 'payment-receipt')).toEqual([{ ...receipt, timestamp: expect.any(String) }])
    expect(text()).toMatch(/\nevent: payment-receipt\ndata: .*\n\ndata: \[DONE\]\n\n$/)
    expect(await session.books()).toEqual({ used: 15_000n, credited: 20_000n, lost: 0n })
  })

  it('ends a session’s event stream with session-timeout where no top-up can come any more', async () => {
    const self = bench()
    const session = await sessionAt(self, '/events')
    self.pieces.push(...[1, 2, 3, 4, 5].map(event), 'end')
    const { res, text } = await session.stream()
    await expect.poll(text).toContain('payment-need-topup')
    expect(await session.close()).toMatchObject({ status: 'closed' })
    await expect.poll(() => res.readableEnded).toBe(true)
    expect(numbersIn(text())).toEqual(['1', '2', '3'])
    expect(dataOf(text(), 'session-timeout')).toHaveLength(1)
    expect(text()).toMatch(/\nevent: session-timeout\ndata: .*\n\n$/)
    await expect.poll(async () => (await session.books())?.used).toBe(9_000n)
  })

  it('charges what has gone out where the client of a session’s event stream leaves while it waits', async () => {
    const self = bench()
    const session = await sessionAt(self, '/events')
    self.pieces.push(...[1, 2, 3, 4].map(event), 'end')
    const stream = await session.stream()
    await expect.poll(stream.text).toContain('payment-need-topup')
    expect((await session.books())?.used).toBe(10_000n)
    stream.leave()
    await expect.poll(async () => (await session.books())?.used).toBe(9_000n)
  })
}
