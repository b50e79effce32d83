import type { InvoiceDetails } from '@turnpike/l402/lightning'
import type { Journal, SaleEvent, SaleFacts, SaleNote } from '@turnpike/l402/server'
import { memoryJournal } from '@turnpike/l402/store/memory'
import { describe, expect, it } from 'vitest'
import { createRecorder, type Recorder } from './recorder.ts'

const sale = (byte: string): SaleFacts => ({
  paymentHash: byte.repeat(32),
  tokenId: 'bb'.repeat(32),
  service: 'demo',
  route: '/paid/*',
  amountMsat: 1_000n,
  amountExact: true,
  grants: { calls: 3, creditMsat: null, validSeconds: null },
  callsKey: null,
  endsAtMs: null,
})

it('writes down a sale that comes just as the last one has been written', async () => {
  const noted: string[] = []
  let later: (() => void) | undefined = () => {
    // After the recorder has found its queue empty, and before it rests.
    later = undefined
    queueMicrotask(() => expect(recorder.redeemed(sale('22'))).toBe(true))
  }
  const recorder = createRecorder({
    keepOpenMost: () => 0,
    journal: {
      keepOpen: async () => {},
      openSale: async () => undefined,
      sale: async () => undefined,
      note: async (notes: readonly SaleNote[]) => {
        noted.push(...notes.map(({ facts }) => facts.paymentHash.slice(0, 2)))
        return [{ type: 'redeemed' } as never]
      },
    },
    subscribers: () => [] as never,
    onEvents: () => later?.(),
    log: { warn: () => {}, error: () => {} },
  })
  expect(recorder.redeemed(sale('11'))).toBe(true)
  await expect.poll(() => noted).toEqual(['11', '22'])
  recorder.close()
})

const log = { warn: () => {}, error: () => {} }
const challenge = (byte: string) => ({ ...sale(byte), payableUntil: 4_000_000_000 })

function recorderOn(
  journal: Journal,
  details?: (hash: string) => Promise<InvoiceDetails>,
): { readonly recorder: Recorder; readonly events: SaleEvent[] } {
  const events: SaleEvent[] = []
  const recorder = createRecorder({
    ...{ journal, log, subscribers: () => ({}), keepOpenMost: () => 100 },
    onEvents: (found) => events.push(...found),
    ...(details === undefined ? {} : { details }),
  })
  return { recorder, events }
}

describe('a payment that comes while the gateway is down', () => {
  it('is written down once after its restart, with the amount that came in', async () => {
    const journal = await memoryJournal()
    const before = recorderOn(journal)
    before.recorder.challenged(challenge('11'))
    await expect.poll(() => journal.openSale('11'.repeat(32))).toBeDefined()
    // Killed: nothing is flushed.
    const after = recorderOn(journal)
    await after.recorder.settled('11'.repeat(32), 1_500n)
    await after.recorder.settled('11'.repeat(32), 1_500n)
    expect(after.events.map(({ type }) => type)).toEqual(['settled'])
    expect(await journal.sale('11'.repeat(32))).toMatchObject({ service: 'demo', amountMsat: 1_500n })
    expect(await journal.openSale('11'.repeat(32))).toBeUndefined()
  })

  it('is no business of ours if it is somebody else’s', async () => {
    const journal = await memoryJournal()
    const { recorder, events } = recorderOn(journal)
    await recorder.settled('99'.repeat(32), 1n)
    expect(events).toEqual([])
    expect(await journal.sale('99'.repeat(32))).toBeUndefined()
  })

  it('counts with what was asked for where the node’s amount cannot be one', async () => {
    for (const [byte, amount] of [
      ['a1', 0n],
      ['a2', -5n],
      ['a3', 9_999_999_999_999_999_999n],
      ['a4', undefined],
    ] as const) {
      const journal = await memoryJournal()
      const { recorder } = recorderOn(journal)
      recorder.challenged(challenge(byte))
      await recorder.settled(byte.repeat(32), amount)
      expect(await journal.sale(byte.repeat(32))).toMatchObject({ amountMsat: 1_000n })
    }
  })

  it('is not acknowledged before it is durable', async () => {
    const journal = await memoryJournal()
    let down = true
    const { recorder } = recorderOn({
      ...journal,
      keepOpen: (...args) => journal.keepOpen(...args),
      openSale: (hash) => journal.openSale(hash),
      sale: (hash) => journal.sale(hash),
      note: async (...args) => {
        if (down) throw new Error('the store is away')
        return journal.note(...args)
      },
    })
    recorder.challenged(challenge('12'))
    let done = false
    const settled = recorder.settled('12'.repeat(32), 1_000n).then(() => {
      done = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(done).toBe(false)
    down = false
    await settled
    expect(await journal.sale('12'.repeat(32))).toBeDefined()
  })
})

describe('what a forgotten challenge was paid', () => {
  const guess = (byte: string): SaleFacts => ({ ...sale(byte), amountMsat: 700n, amountExact: false })
  const amountOf = async (journal: Journal, byte: string) => {
    await expect.poll(() => journal.sale(byte.repeat(32))).toBeDefined()
    const found = await journal.sale(byte.repeat(32))
    return [found?.amountMsat, found?.amountExact]
  }

  it('is asked of the node, once', async () => {
    const journal = await memoryJournal()
    const asked: string[] = []
    const { recorder } = recorderOn(journal, async (hash) => {
      asked.push(hash.slice(0, 2))
      return { state: 'settled', amountMsat: 2_000n }
    })
    recorder.redeemed(guess('21'))
    expect(await amountOf(journal, '21')).toEqual([2_000n, true])
    recorder.exhausted(guess('21'))
    await recorder.flush(1_000)
    expect(asked).toEqual(['21'])
  })

  it('is what the journal remembers, before the node is asked', async () => {
    const journal = await memoryJournal()
    await journal.keepOpen([{ facts: sale('22'), payableUntilMs: 4_000_000_000_000 }], { most: 10 })
    const { recorder } = recorderOn(journal, async () => {
      throw new Error('not to be asked')
    })
    recorder.redeemed(guess('22'))
    expect(await amountOf(journal, '22')).toEqual([1_000n, true])
  })

  it('stays a guess where the node does not say it, and a node that fails is not asked each time', async () => {
    const journal = await memoryJournal()
    let asked = 0
    let says: () => Promise<InvoiceDetails> = async () => ({ state: 'settled' })
    const { recorder } = recorderOn(journal, () => {
      asked++
      return says()
    })
    recorder.redeemed(guess('31'))
    expect(await amountOf(journal, '31')).toEqual([700n, false])
    // Not settled, whatever the amount.
    says = async () => ({ state: 'open', amountMsat: 5n })
    recorder.redeemed(guess('32'))
    expect(await amountOf(journal, '32')).toEqual([700n, false])
    says = () => Promise.reject(new Error('gone'))
    recorder.redeemed(guess('33'))
    expect(await amountOf(journal, '33')).toEqual([700n, false])
    recorder.redeemed(guess('34'))
    expect(await amountOf(journal, '34')).toEqual([700n, false])
    expect(asked).toBe(3)
  })

  it('does not hold up the journal where a node hangs', { timeout: 15_000 }, async () => {
    const journal = await memoryJournal()
    const { recorder } = recorderOn(journal, () => new Promise(() => {}))
    recorder.redeemed(guess('41'))
    await expect.poll(() => journal.sale('41'.repeat(32)), { timeout: 10_000 }).toBeDefined()
  })
})
