import { expect, it } from 'vitest'
import { isL402Error, L402Error } from '../core/errors.ts'
import type { InvoiceBackend } from './backend.ts'
import { failover } from './failover.ts'
import { memoryLightning } from './memory.ts'

const terms = { amountMsat: 1000n, memo: 'a page', expirySeconds: 60 }
const of = (name: string, backend: InvoiceBackend) => ({ name, open: async () => backend })

it('asks the next one when the first fails, and the first again after its rest', async () => {
  let now = 1_000_000
  const [a, b] = [memoryLightning(), memoryLightning()]
  const heard: string[] = []
  const options = { failuresToOpen: 2, restMs: 1000, now: () => now }
  const both = await failover({
    backends: [of('a', a), of('b', b)],
    onEvent: (message) => heard.push(message),
    ...options,
  })
  const first = await both.createInvoice(terms)
  expect(await a.lookupInvoice(first.paymentHash)).toBe('open')
  a.offline = true
  for (let i = 0; i < 3; i++)
    expect(await b.lookupInvoice((await both.createInvoice(terms)).paymentHash)).toBe('open')
  expect(heard).toHaveLength(1)
  a.offline = false
  expect(await b.lookupInvoice((await both.createInvoice(terms)).paymentHash)).toBe('open')
  now += 1001
  expect(await a.lookupInvoice((await both.createInvoice(terms)).paymentHash)).toBe('open')
  expect(heard.at(-1)).toContain('works again')
})

it('looks an invoice up where it was made, and does not call it unknown while its maker is away', async () => {
  const [a, b] = [memoryLightning(), memoryLightning()]
  const both = await failover({ backends: [of('a', a), of('b', b)] })
  const early = await a.createInvoice(terms)
  a.offline = true
  const made = await both.createInvoice(terms)
  expect(await both.lookupInvoice(made.paymentHash)).toBe('open')
  await expect(both.lookupInvoice(early.paymentHash)).rejects.toThrow('offline')
  a.offline = false
  expect(await both.lookupInvoice(early.paymentHash)).toBe('open')
  expect(await both.lookupInvoice(new Uint8Array(32))).toBe('unknown')
})

it('does not wait for one that hangs', async () => {
  const real = memoryLightning()
  const hanging: InvoiceBackend = {
    network: 'regtest',
    invoiceCapabilities: real.invoiceCapabilities,
    createInvoice: () => new Promise(() => {}),
    lookupInvoice: async () => 'unknown',
    ping: async () => {},
    close: async () => {},
  }
  const both = await failover({ backends: [of('hangs', hanging), of('works', real)], patienceMs: 20 })
  expect(await real.lookupInvoice((await both.createInvoice(terms)).paymentHash)).toBe('open')
})

it('sends what is too much for one to the next, and refuses what is too much for all', async () => {
  let free = (): void => {}
  const gate = new Promise<void>((resolve) => {
    free = resolve
  })
  const slow = (backend: InvoiceBackend): InvoiceBackend => ({
    network: backend.network,
    invoiceCapabilities: backend.invoiceCapabilities,
    createInvoice: (request) => gate.then(() => backend.createInvoice(request)),
    lookupInvoice: (hash) => backend.lookupInvoice(hash),
    ping: async () => {},
    close: async () => {},
  })
  const [a, b] = [memoryLightning(), memoryLightning()]
  const both = await failover({ backends: [of('a', slow(a)), of('b', slow(b))], atOnce: 1 })
  const two = [both.createInvoice(terms), both.createInvoice(terms)]
  await expect(both.createInvoice(terms)).rejects.toThrow(
    'no Lightning backend can make an invoice right now',
  )
  free()
  const [first, second] = await Promise.all(two)
  expect(await a.lookupInvoice(first?.paymentHash ?? new Uint8Array(32))).toBe('open')
  expect(await b.lookupInvoice(second?.paymentHash ?? new Uint8Array(32))).toBe('open')
})

it('starts with those that are there, and opens the others later', async () => {
  let now = 0
  let there = false
  const real = memoryLightning()
  const late = {
    name: 'late',
    open: async () => {
      if (!there) throw new L402Error('lightning_unavailable', 'late: nothing answers there')
      return real
    },
  }
  const both = await failover({ backends: [late, of('b', memoryLightning())], now: () => now, restMs: 10 })
  there = true
  now += 11
  expect(await real.lookupInvoice((await both.createInvoice(terms)).paymentHash)).toBe('open')
  await expect(
    failover({
      backends: [{ ...late, open: () => Promise.reject(new L402Error('lightning_unavailable', 'gone')) }],
    }),
  ).rejects.toThrow('gone')
})

it('refuses backends on different networks', async () => {
  const backends = [of('a', memoryLightning()), of('b', memoryLightning({ network: 'mainnet' }))]
  const error = await failover({ backends }).catch((thrown: unknown) => thrown)
  expect(isL402Error(error, 'lightning_invalid')).toBe(true)
})

it('is unready only when none of them can be reached', async () => {
  const [a, b] = [memoryLightning(), memoryLightning()]
  const both = await failover({ backends: [of('a', a), of('b', b)] })
  a.offline = true
  await both.ping()
  b.offline = true
  await expect(both.ping()).rejects.toThrow('no Lightning backend can be reached')
  await expect(both.createInvoice(terms)).rejects.toThrow('offline')
})

it('tells what came in and when, also for a backend that only tells the state', async () => {
  const [a, b] = [memoryLightning(), memoryLightning()]
  const plain: InvoiceBackend = {
    network: 'regtest',
    invoiceCapabilities: b.invoiceCapabilities,
    createInvoice: (request) => b.createInvoice(request),
    lookupInvoice: (paymentHash) => b.lookupInvoice(paymentHash),
    ping: async () => {},
    close: async () => {},
  }
  const both = await failover({ backends: [of('a', a), of('b', plain)] })
  const [mine, theirs] = [await a.createInvoice(terms), await b.createInvoice(terms)]
  expect(await both.invoiceDetails?.(mine.paymentHash)).toEqual({ state: 'open' })
  for (const [backend, order] of [[a, mine] as const, [b, theirs] as const])
    await backend.pay({ ...order, maxFeeMsat: 0n, timeoutMs: 5_000 })
  const details = await both.invoiceDetails?.(mine.paymentHash)
  expect(details).toEqual({
    state: 'settled',
    amountMsat: 1000n,
    settledAt: expect.any(Number),
    preimage: expect.any(Uint8Array),
  })
  expect(await both.invoiceDetails?.(theirs.paymentHash)).toEqual({ state: 'settled' })
  expect(await both.invoiceDetails?.(new Uint8Array(32))).toEqual({ state: 'unknown' })
})

const never = <T>(): Promise<T> => new Promise(() => {})

it('starts without one whose opening hangs, and sells, looks up, is ready and closes without it', async () => {
  const real = memoryLightning()
  let now = 0
  const both = await failover({
    backends: [{ name: 'hangs', open: never }, of('works', real)],
    patienceMs: 20,
    openMs: 20,
    restMs: 10,
    now: () => now,
  })
  const elsewhere = await real.createInvoice(terms)
  // Its rest is over: it is tried, and hangs again.
  now += 11
  const made = await both.createInvoice(terms)
  expect(await real.lookupInvoice(made.paymentHash)).toBe('open')
  expect(await both.lookupInvoice(made.paymentHash)).toBe('open')
  expect(await both.lookupInvoice(elsewhere.paymentHash)).toBe('open')
  expect(await both.invoiceDetails?.(elsewhere.paymentHash)).toMatchObject({ state: 'open' })
  await both.ping()
  await both.close()
})

it('closes what is opened after the end', async () => {
  const real = memoryLightning()
  let open = (_: InvoiceBackend): void => {}
  const opening = new Promise<InvoiceBackend>((resolve) => {
    open = resolve
  })
  const both = await failover({
    backends: [{ name: 'late', open: () => opening }, of('works', memoryLightning())],
    patienceMs: 20,
    openMs: 20,
  })
  await both.close()
  let closed = false
  open({
    network: real.network,
    invoiceCapabilities: real.invoiceCapabilities,
    createInvoice: (request) => real.createInvoice(request),
    lookupInvoice: (hash) => real.lookupInvoice(hash),
    ping: () => real.ping(),
    close: async () => {
      closed = true
    },
  })
  await expect.poll(() => closed).toBe(true)
})

/** Counts what it is asked for; `createInvoice` and the rest take as long as `wait` does, whatever the signal says. */
function waiting(backend: InvoiceBackend, wait: () => Promise<void>) {
  const asked = { creates: 0, pings: 0 }
  const slow: InvoiceBackend = {
    network: backend.network,
    invoiceCapabilities: { exactMsat: true, looksUp: true },
    createInvoice: async (request) => {
      asked.creates++
      await wait()
      return await backend.createInvoice(request)
    },
    lookupInvoice: (hash) => wait().then(() => backend.lookupInvoice(hash)),
    ping: async () => {
      asked.pings++
      await wait()
    },
    close: async () => {},
  }
  return { asked, slow }
}

it('a look-up goes on to the next where one hangs, and is no "unknown" then', async () => {
  const [a, b] = [memoryLightning(), memoryLightning()]
  const { slow } = waiting(a, never)
  const both = await failover({ backends: [of('hangs', slow), of('works', b)], patienceMs: 20 })
  const made = await b.createInvoice(terms)
  expect(await both.lookupInvoice(made.paymentHash)).toBe('open')
  await expect(both.lookupInvoice(new Uint8Array(32))).rejects.toThrow('hangs: no answer in time')
})

it('is ready as soon as one is, and asks one that hangs once at a time', async () => {
  const { asked, slow } = waiting(memoryLightning(), never)
  const both = await failover({ backends: [of('hangs', slow), of('works', memoryLightning())] })
  for (let i = 0; i < 3; i++) await both.ping()
  expect(asked.pings).toBe(1)
  const alone = await failover({ backends: [of('hangs', slow)], patienceMs: 20 })
  await expect(alone.ping()).rejects.toThrow('no Lightning backend can be reached')
})

it('tries one again with a single invoice after its rest', async () => {
  let now = 0
  let free = (): void => {}
  const gate = new Promise<void>((resolve) => {
    free = resolve
  })
  const [a, b] = [memoryLightning(), memoryLightning()]
  const { asked, slow } = waiting(a, () => gate)
  const both = await failover({
    backends: [of('a', slow), of('b', b)],
    failuresToOpen: 1,
    restMs: 1000,
    patienceMs: 60_000,
    now: () => now,
  })
  a.offline = true
  const first = both.createInvoice(terms)
  free()
  expect(await b.lookupInvoice((await first).paymentHash)).toBe('open')
  expect(asked.creates).toBe(1)
  now += 1001
  a.offline = false
  const made = await Promise.all([1, 2, 3].map(() => both.createInvoice(terms)))
  expect(asked.creates).toBe(2)
  const states = await Promise.all(made.map(({ paymentHash }) => a.lookupInvoice(paymentHash)))
  expect(states).toEqual(['open', 'unknown', 'unknown'])
  // It works, so it is asked for everything again.
  await both.createInvoice(terms)
  expect(asked.creates).toBe(3)
})

it('counts a call that nobody waits for any more until it has ended', async () => {
  let free = (): void => {}
  const gate = new Promise<void>((resolve) => {
    free = resolve
  })
  const b = memoryLightning()
  const { asked, slow } = waiting(memoryLightning(), () => gate)
  const both = await failover({
    backends: [of('a', slow), of('b', b)],
    failuresToOpen: 9,
    atOnce: 1,
    patienceMs: 20,
  })
  for (let i = 0; i < 3; i++)
    expect(await b.lookupInvoice((await both.createInvoice(terms)).paymentHash)).toBe('open')
  expect(asked.creates).toBe(1)
  free()
  await expect
    .poll(async () => {
      await both.createInvoice(terms)
      return asked.creates
    })
    .toBeGreaterThan(1)
})
