/** Settlements, cancelling, holding and capacity of several backends. */

import { afterEach, describe, expect, it } from 'vitest'
import { encodeHex } from '../core/bytes.ts'
import { L402Error } from '../core/errors.ts'
import { sha256 } from '../core/hash.ts'
import type { InvoiceBackend, Settlement, SettlementsFrom } from './backend.ts'
import { failover } from './failover.ts'
import { type MemoryLightning, memoryLightning } from './memory.ts'

const terms = { amountMsat: 1000n, memo: 'a page', expirySeconds: 60 }
const of = (name: string, backend: InvoiceBackend) => ({ name, open: async () => backend })
const pay = (lightning: MemoryLightning, made: { invoice: string; paymentHash: Uint8Array }) =>
  lightning.pay({ ...made, amountMsat: 1000n, maxFeeMsat: 0n, timeoutMs: 5_000 })
const hashOf = (n: number): Uint8Array => new Uint8Array(32).fill(n)

/** What a node settles, which its listeners are told of from the place that they name. */
class Node {
  readonly asked: (string | undefined)[] = []
  readonly #paid: Uint8Array[] = []
  #listeners: (() => void)[] = []
  #up = true

  settle(n: number): void {
    this.#paid.push(hashOf(n))
    this.#wake()
  }

  stop(): void {
    this.#up = false
    this.#wake()
  }

  start(): void {
    this.#up = true
  }

  #wake(): void {
    for (const listener of this.#listeners.splice(0)) listener()
  }

  backend(): InvoiceBackend {
    const { network, createInvoice, lookupInvoice, ping } = memoryLightning()
    return {
      ...{ network, createInvoice, lookupInvoice, ping, close: async () => {} },
      invoiceCapabilities: { exactMsat: true, looksUp: true, subscribes: true },
      settlements: (from) => this.#tell(from),
    }
  }

  async *#tell({ after, signal }: SettlementsFrom): AsyncGenerator<Settlement> {
    this.asked.push(after)
    if (after !== undefined && !/^#\d+$/.test(after)) throw new RangeError('after: not mine')
    signal.addEventListener('abort', () => this.#wake())
    for (let at = after === undefined ? this.#paid.length : Number(after.slice(1)); !signal.aborted; ) {
      if (!this.#up) throw new L402Error('lightning_unavailable', 'nothing answers there')
      const paymentHash = this.#paid[at]
      if (paymentHash !== undefined) yield { paymentHash, amountMsat: 1n, cursor: `#${++at}` }
      else await new Promise<void>((resolve) => this.#listeners.push(resolve))
    }
  }
}

const ends: AbortController[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end.abort()
})

/** Listens until the test is over; what it has heard, and the cursor of the last. */
function listen(backend: InvoiceBackend, after?: string) {
  const end = new AbortController()
  ends.push(end)
  const heard: number[] = []
  const state: { cursor: string | undefined; fault: unknown } = { cursor: after, fault: undefined }
  const done = (async () => {
    const from = { ...(after === undefined ? {} : { after }), signal: end.signal }
    for await (const { paymentHash, cursor } of backend.settlements?.(from) ?? []) {
      heard.push(paymentHash[0] ?? 0)
      state.cursor = cursor
    }
  })().catch((error: unknown) => {
    state.fault = error
  })
  return {
    heard,
    state,
    stop: () => {
      end.abort()
      return done
    },
  }
}

describe('settlements of several', () => {
  it('come from all that tell of them, and go on from a cursor of each', async () => {
    const [a, b] = [new Node(), new Node()]
    const both = await failover({
      backends: [of('a', a.backend()), of('quiet', memoryLightning()), of('b', b.backend())],
    })
    expect(both.invoiceCapabilities.subscribes).toBe(false)
    const first = listen(both)
    await expect.poll(() => [a.asked, b.asked]).toEqual([[undefined], [undefined]])
    a.settle(1)
    await expect.poll(() => first.heard).toEqual([1])
    b.settle(2)
    await expect.poll(() => first.heard).toEqual([1, 2])
    a.settle(3)
    await expect.poll(() => first.heard).toEqual([1, 2, 3])
    expect(first.state.cursor).toBe('["#2",null,"#1"]')
    await first.stop()
    expect(first.state.fault).toBeUndefined()
    a.settle(4)
    b.settle(5)
    const second = listen(both, first.state.cursor)
    await expect.poll(() => second.heard.toSorted()).toEqual([4, 5])
    expect(second.state.cursor).toBe('["#3",null,"#2"]')
  })

  it('count those that were handed out, and no others, into the cursor', async () => {
    const [a, b] = [new Node(), new Node()]
    const both = await failover({ backends: [of('a', a.backend()), of('b', b.backend())] })
    expect(both.invoiceCapabilities.subscribes).toBe(true)
    const end = new AbortController()
    const stream = both.settlements?.({ signal: end.signal })[Symbol.asyncIterator]()
    const next = stream?.next()
    await expect.poll(() => [a.asked.length, b.asked.length]).toEqual([1, 1])
    for (const n of [1, 2, 3]) {
      a.settle(n)
      b.settle(n)
    }
    const cursors = new Set<string>([String((await next)?.value.cursor)])
    for (let i = 0; i < 5; i++) cursors.add(String((await stream?.next())?.value.cursor))
    expect(
      [...cursors].map((text) =>
        JSON.parse(text)
          .flatMap((one: string | null) => Number(one?.slice(1) ?? 0))
          .reduce((x: number, y: number) => x + y),
      ),
    ).toEqual([1, 2, 3, 4, 5, 6])
    end.abort()
    expect(await stream?.next()).toEqual({ value: undefined, done: true })
  })

  it('go on while one is away, and with those that it had meanwhile when it is back', async () => {
    const [a, b] = [new Node(), new Node()]
    const events: string[] = []
    const both = await failover({
      backends: [of('a', a.backend()), of('b', b.backend())],
      onEvent: (message) => events.push(message),
    })
    const one = listen(both)
    await expect.poll(() => [a.asked.length, b.asked.length]).toEqual([1, 1])
    a.settle(1)
    await expect.poll(() => one.heard).toEqual([1])
    a.stop()
    await expect
      .poll(() => events)
      .toEqual(['Lightning backend a: does not tell of settlements right now; nothing answers there'])
    a.settle(2)
    b.settle(3)
    await expect.poll(() => one.heard).toEqual([1, 3])
    a.start()
    await expect.poll(() => one.heard, { timeout: 5_000 }).toEqual([1, 3, 2])
    expect(a.asked.at(-1)).toBe('#1')
  })

  it('begin with one that is opened later, and anew with one that does not know its cursor', async () => {
    const [a, b] = [new Node(), new Node()]
    let there = false
    const late = {
      name: 'late',
      open: async () => {
        if (!there) throw new L402Error('lightning_unavailable', 'late: nothing answers there')
        return b.backend()
      },
    }
    const both = await failover({ backends: [of('a', a.backend()), late] })
    expect(both.invoiceCapabilities.subscribes).toBe(false)
    const one = listen(both, '["no cursor of it","#0"]')
    await expect.poll(() => a.asked, { timeout: 5_000 }).toEqual(['no cursor of it', undefined])
    b.settle(7)
    there = true
    await expect.poll(() => one.heard, { timeout: 10_000 }).toEqual([7])
    a.settle(8)
    await expect.poll(() => one.heard).toEqual([7, 8])
  })

  it.each(['', '7', '["#1"]', '["#1",2]', '{"a":1}', '["#1",null,null]'])(
    'take no cursor such as %j',
    async (after) => {
      const both = await failover({
        backends: [of('a', new Node().backend()), of('b', new Node().backend())],
      })
      const one = listen(both, after)
      await expect.poll(() => one.state.fault).toBeInstanceOf(RangeError)
    },
  )

  it('are not offered where none tells of them, and end with the backend', async () => {
    const none = await failover({ backends: [of('a', memoryLightning()), of('b', memoryLightning())] })
    expect(none.settlements).toBeUndefined()
    const node = new Node()
    const both = await failover({ backends: [of('a', node.backend()), of('b', memoryLightning())] })
    const one = listen(both)
    await expect.poll(() => node.asked.length).toBe(1)
    await both.close()
    await one.stop()
    expect(one.state.fault).toBeUndefined()
  })
})

describe('cancelling and holding with several', () => {
  const preimage = new Uint8Array(32).fill(9)
  const paymentHash = Uint8Array.from(sha256(preimage))

  it('happen where the invoice was made', async () => {
    const [a, b] = [memoryLightning(), memoryLightning()]
    const both = await failover({ backends: [of('a', a), of('b', b)] })
    a.offline = true
    const made = await both.createInvoice(terms)
    a.offline = false
    expect(await both.cancelInvoice?.(made.paymentHash)).toBe('cancelled')
    expect(await b.lookupInvoice(made.paymentHash)).toBe('cancelled')
    const held = await both.createHoldInvoice?.({ ...terms, paymentHash })
    expect(encodeHex(held?.paymentHash ?? new Uint8Array())).toBe(encodeHex(paymentHash))
    void pay(a, held ?? made)
    await expect.poll(() => both.lookupInvoice(paymentHash)).toBe('accepted')
    await both.settleHoldInvoice?.(preimage)
    expect(await a.lookupInvoice(paymentHash)).toBe('settled')
  })

  it('happen after a restart where the invoice is known, and wait for who cannot be asked', async () => {
    const [a, b] = [memoryLightning(), memoryLightning()]
    const held = await b.createHoldInvoice({ ...terms, paymentHash })
    const both = await failover({ backends: [of('a', a), of('b', b)] })
    void pay(b, held)
    await expect.poll(() => both.lookupInvoice(paymentHash)).toBe('accepted')
    b.offline = true
    await expect(both.cancelInvoice?.(paymentHash)).rejects.toThrow('offline')
    await expect(both.settleHoldInvoice?.(preimage)).rejects.toThrow('offline')
    b.offline = false
    await both.settleHoldInvoice?.(preimage)
    expect(await b.lookupInvoice(paymentHash)).toBe('settled')
    expect(await both.cancelInvoice?.(new Uint8Array(32))).toBe('unknown')
    await expect(both.settleHoldInvoice?.(new Uint8Array(32))).rejects.toThrow('no Lightning backend has')
  })

  it('never make two invoices of one hash: who was asked and has not answered may have made it', async () => {
    const [a, b] = [memoryLightning(), memoryLightning()]
    const { network, invoiceCapabilities, cancelInvoice, settleHoldInvoice, lookupInvoice } = a
    const slow: InvoiceBackend = {
      ...{ network, invoiceCapabilities, cancelInvoice, settleHoldInvoice, lookupInvoice },
      createInvoice: (request) => a.createInvoice(request),
      createHoldInvoice: async (request) => {
        await a.createHoldInvoice(request)
        return await new Promise(() => {})
      },
      ping: async () => {},
      close: async () => {},
    }
    const options = { patienceMs: 20, failuresToOpen: 1 }
    const both = await failover({ backends: [of('slow', slow), of('b', b)], ...options })
    await expect(both.createHoldInvoice?.({ ...terms, paymentHash })).rejects.toThrow('no answer in time')
    expect(await a.lookupInvoice(paymentHash)).toBe('open')
    expect(await b.lookupInvoice(paymentHash)).toBe('unknown')
    // It is left alone now, so the next is made elsewhere.
    const other = Uint8Array.from(sha256(paymentHash))
    await both.createHoldInvoice?.({ ...terms, paymentHash: other })
    expect(await b.lookupInvoice(other)).toBe('open')
  })

  it('are offered where all can, and skip one that comes later and cannot', async () => {
    const plain = new Node().backend()
    const mixed = await failover({ backends: [of('a', memoryLightning()), of('b', plain)] })
    expect(mixed.invoiceCapabilities).toMatchObject({ cancels: false, holds: false })
    expect([mixed.cancelInvoice, mixed.createHoldInvoice, mixed.settleHoldInvoice]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    let there = false
    let now = 0
    const open = async () => {
      if (!there) throw new L402Error('lightning_unavailable', 'nothing answers there')
      return plain
    }
    const real = memoryLightning()
    const both = await failover({
      backends: [{ name: 'late', open }, of('b', real)],
      now: () => now,
      restMs: 1,
    })
    there = true
    now += 2
    await both.createHoldInvoice?.({ ...terms, paymentHash })
    expect(await real.lookupInvoice(paymentHash)).toBe('open')
  })
})

it('says the least of what any of them can receive, and nothing where none says it', async () => {
  const silent = memoryLightning()
  const [poor, rich] = [memoryLightning({ receivableMsat: 5n }), memoryLightning({ receivableMsat: 9n })]
  const backends = [of('silent', silent), of('rich', rich), of('poor', poor)]
  const all = await failover({ backends })
  expect(await all.receivableMsat?.()).toBe(5n)
  poor.offline = true
  expect(await all.receivableMsat?.()).toBe(9n)
  rich.offline = true
  expect(await all.receivableMsat?.()).toBeNull()
})
