import { describe, expect, it } from 'vitest'
import type { FirstOrders, Orders } from './calls.ts'
import { type Ordered, StandingOrders } from './standing-orders.ts'

const FIRST = { sampleUrl: 'first' } as FirstOrders
const SECOND = { sampleUrl: 'second' } as Orders

/** A worker that notes what it is under; `hold` makes a call wait. */
function worker() {
  const state = { inForce: '', built: '', fails: '' }
  const held = new Map<string, PromiseWithResolvers<void>>()
  const call = async (name: string, orders?: Orders): Promise<unknown> => {
    await held.get(name)?.promise
    if (name === state.fails) throw new Error('cannot')
    if (name === 'start') state.inForce = orders?.sampleUrl ?? ''
    if (name === 'prepare') state.built = orders?.sampleUrl ?? ''
    if (name === 'commit') state.inForce = state.built
    return name === 'start' ? ['http://127.0.0.1:1'] : undefined
  }
  const hold = (name: string): (() => void) => {
    const gate = Promise.withResolvers<void>()
    held.set(name, gate)
    return () => {
      held.delete(name)
      gate.resolve()
    }
  }
  return { state, hold, peer: { call } as unknown as Ordered }
}

function standing() {
  const unfit: Ordered[] = []
  return { unfit, orders: new StandingOrders(FIRST, (one) => unfit.push(one)) }
}

describe('orders to all workers', () => {
  it('change in all that serve, or in none', async () => {
    const { orders } = standing()
    const [one, two] = [worker(), worker()]
    await Promise.all([orders.begin(one.peer), orders.begin(two.peer)])
    two.state.fails = 'prepare'
    await expect(orders.prepare(SECOND)).rejects.toThrow('cannot')
    expect([one.state.inForce, two.state.inForce]).toEqual(['first', 'first'])
    two.state.fails = ''
    await (await orders.prepare(SECOND))()
    expect([one.state.inForce, two.state.inForce]).toEqual(['second', 'second'])
  })

  it('reach a worker that was still starting when they changed', async () => {
    const { orders } = standing()
    const late = worker()
    const go = late.hold('start')
    const begun = orders.begin(late.peer)
    await (await orders.prepare(SECOND))()
    go()
    await begun
    expect(late.state.inForce).toBe('second')
    expect(orders.serves(late.peer)).toBe(true)
  })

  it('reach a worker that began to serve while the others prepared', async () => {
    const { orders, unfit } = standing()
    const [one, late] = [worker(), worker()]
    await orders.begin(one.peer)
    const go = one.hold('prepare')
    const preparing = orders.prepare(SECOND)
    // The turn has begun, so the others are known.
    await Promise.resolve()
    await orders.begin(late.peer)
    go()
    await (await preparing)()
    expect([one.state.inForce, late.state.inForce]).toEqual(['second', 'second'])
    expect(unfit).toEqual([])
  })

  it('that such a worker cannot take are its end', async () => {
    const { orders, unfit } = standing()
    const [one, late] = [worker(), worker()]
    await orders.begin(one.peer)
    const commit = await orders.prepare(SECOND)
    await orders.begin(late.peer)
    late.state.fails = 'prepare'
    await commit()
    expect(unfit).toEqual([late.peer])
  })
})
