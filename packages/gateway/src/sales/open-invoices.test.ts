import { decodeHex, encodeHex } from '@turnpike/l402'
import type { InvoiceBackend } from '@turnpike/l402/lightning'
import { type MemoryLightning, memoryLightning } from '@turnpike/l402/lightning/memory'
import type { OpenSale } from '@turnpike/l402/server'
import { memoryJournal } from '@turnpike/l402/store/memory'
import { afterEach, expect, it } from 'vitest'
import { type OpenInvoices, watchOpenInvoices } from './open-invoices.ts'

const START = Date.UTC(2026, 0, 1)
const open: OpenInvoices[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

async function world(over: Partial<InvoiceBackend> = {}) {
  const clock = { now: START }
  const lightning = memoryLightning({ now: () => clock.now })
  const journal = await memoryJournal()
  const settled: string[] = []
  const looked: string[] = []
  const watch = (): OpenInvoices => {
    const watcher = watchOpenInvoices({
      backend: {
        invoiceCapabilities: lightning.invoiceCapabilities,
        async lookupInvoice(hash) {
          looked.push(encodeHex(hash))
          return await lightning.lookupInvoice(hash)
        },
        ...over,
      },
      journal,
      most: 100,
      onSettled: async (hash, amountMsat) => void settled.push(`${hash} ${amountMsat}`),
      log: { warn: () => {} },
      now: () => clock.now,
    })
    open.push(watcher)
    return watcher
  }
  const invoice = async (): Promise<OpenSale & { readonly invoice: string }> => {
    const made = await lightning.createInvoice({ amountMsat: 1_000n, memo: 'a page', expirySeconds: 60 })
    const facts = {
      ...{ paymentHash: encodeHex(made.paymentHash), tokenId: 'bb'.repeat(32), service: 'demo', route: '/' },
      ...{ amountMsat: 1_000n, amountExact: true, callsKey: null, endsAtMs: null },
      grants: { calls: 1, creditMsat: null, validSeconds: null },
    }
    const sale = { facts, payableUntilMs: made.expiresAt * 1_000 }
    await journal.keepOpen([sale], { most: 100 })
    return { ...sale, invoice: made.invoice }
  }
  /** Time passes until this is so. */
  const until = async (watcher: OpenInvoices, so: () => unknown): Promise<void> => {
    for (let step = 0; step < 2_000 && !so(); step++) {
      clock.now += 250
      await watcher.tick()
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
    expect(so()).toBeTruthy()
  }
  return { clock, lightning, journal, settled, looked, watch, invoice, until }
}

const pay = async (lightning: MemoryLightning, { facts, invoice }: OpenSale & { invoice: string }) =>
  lightning.pay({
    ...{ invoice, amountMsat: 1_000n, maxFeeMsat: 0n, timeoutMs: 1_000 },
    paymentHash: decodeHex(facts.paymentHash) ?? new Uint8Array(),
  })

it('finds a payment of an own invoice where nobody tells of it, and asks for nothing else', async () => {
  const { lightning, settled, looked, watch, invoice, until } = await world()
  const [mine, other] = [
    await invoice(),
    await lightning.createInvoice({ amountMsat: 5n, memo: '', expirySeconds: 60 }),
  ]
  const watcher = watch()
  await until(watcher, () => looked.length > 0)
  expect(settled).toEqual([])
  await pay(lightning, mine)
  await until(watcher, () => settled.length > 0)
  expect(settled[0]).toContain(mine.facts.paymentHash)
  expect(looked).not.toContain(encodeHex(other.paymentHash))
})

it('finds after a restart what was paid meanwhile, also when its time is over, and forgets what was not', async () => {
  const { clock, lightning, journal, settled, watch, invoice, until } = await world()
  const [paid, unpaid] = [await invoice(), await invoice()]
  await pay(lightning, paid)
  clock.now += 3 * 86_400_000
  const watcher = watch()
  await until(watcher, () => settled.length > 0)
  expect(settled).toHaveLength(1)
  expect(settled[0]).toContain(paid.facts.paymentHash)
  for (let step = 0; step < 20; step++) await until(watcher, () => true)
  await expect
    .poll(async () => {
      clock.now += 250
      await watcher.tick()
      return journal.openSale(unpaid.facts.paymentHash)
    })
    .toBeUndefined()
})

it('asks less and less often, in a bounded number at a time, and once more at the end', async () => {
  const { clock, looked, journal, watch, invoice, until } = await world()
  for (let n = 0; n < 12; n++) await invoice()
  const watcher = watch()
  clock.now += 250
  await watcher.tick()
  expect(looked.length).toBeLessThanOrEqual(5)
  await until(watcher, () => clock.now > START + 60_000 + 120_000)
  // 2 s, 3 s, 4.5 s … and at the end: about ten times each in a minute and a half.
  expect(looked.length / 12).toBeLessThan(14)
  expect(looked.length / 12).toBeGreaterThan(5)
  await expect
    .poll(async () => {
      clock.now += 250
      await watcher.tick()
      return (await journal.openSales({ limit: 100 })).items
    })
    .toEqual([])
})

const telling = { ...memoryLightning().invoiceCapabilities, subscribes: true }

it('looks at them as ever where some of several nodes tell of settlements', async () => {
  const some = { async *settlements() {}, invoiceCapabilities: { ...telling, subscribes: false } }
  const { clock, looked, watch, invoice, until } = await world(some)
  await invoice()
  const watcher = watch()
  await until(watcher, () => looked.length > 2)
  expect(clock.now).toBeLessThan(START + 30_000)
})

it('looks only once where the node tells of settlements, when the time is over', async () => {
  const quiet = { async *settlements() {}, invoiceCapabilities: telling }
  const { clock, lightning, settled, looked, watch, invoice, until } = await world(quiet)
  const one = await invoice()
  const watcher = watch()
  await until(watcher, () => clock.now > START + 59_000)
  expect(looked).toEqual([])
  // The stream has missed it.
  await pay(lightning, one)
  await until(watcher, () => settled.length > 0)
  expect(looked).toHaveLength(1)
})

it('looks at all of them where it cannot go on from a known place', async () => {
  const quiet = { async *settlements() {}, invoiceCapabilities: telling }
  const { lightning, settled, watch, invoice, until } = await world(quiet)
  const one = await invoice()
  await pay(lightning, one)
  const watcher = watch()
  watcher.lookAtAll()
  await until(watcher, () => settled.length > 0)
})

it('leaves a node alone for a while that does not answer, and loses nothing', async () => {
  const { clock, lightning, settled, looked, watch, invoice, until } = await world()
  const one = await invoice()
  await pay(lightning, one)
  lightning.offline = true
  const watcher = watch()
  await until(watcher, () => clock.now > START + 50_000)
  expect(looked.length).toBeLessThan(8)
  lightning.offline = false
  await until(watcher, () => settled.length > 0)
})
