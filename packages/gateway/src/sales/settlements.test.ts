import { L402Error } from '@turnpike/l402'
import type { Settlement, SettlementsFrom } from '@turnpike/l402/lightning'
import type { Journal } from '@turnpike/l402/server'
import { memoryJournal } from '@turnpike/l402/store/memory'
import { afterEach, expect, it } from 'vitest'
import { followSettlements } from './settlements.ts'

/** A node whose cursor is the number of the settlement, as lnd's is. */
function node() {
  const paid: Settlement[] = []
  const asked: (string | undefined)[] = []
  let wake = (): void => {}
  return {
    asked,
    pay(byte: string) {
      const paymentHash = Uint8Array.from(Buffer.from(byte.repeat(32), 'hex'))
      paid.push({ paymentHash, amountMsat: 1_000n, cursor: String(paid.length + 1) })
      wake()
    },
    async *settlements({ after, signal }: SettlementsFrom): AsyncGenerator<Settlement> {
      asked.push(after)
      if (after !== undefined && !/^\d+$/.test(after)) throw new RangeError('after: expected a number')
      signal.addEventListener('abort', () => wake())
      let at = after === undefined ? paid.length : Number(after)
      while (!signal.aborted) {
        const next = paid[at]
        if (next === undefined) await new Promise<void>((resolve) => (wake = resolve))
        else {
          at++
          yield next
        }
      }
    },
  }
}

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

function follow(
  source: ReturnType<typeof node>,
  journal: Pick<Journal, 'nodeCursor' | 'keepNodeCursor'>,
  onSettled: (hash: string) => Promise<void>,
) {
  const heard: string[] = []
  let anew = 0
  const following = followSettlements({
    ...{ source, journal, node: 'lnd-1' },
    async onSettled(hash) {
      await onSettled(hash)
      heard.push(hash.slice(0, 2))
    },
    onStartingAnew: () => anew++,
    log: { warn: () => {} },
  })
  open.push(following)
  return { heard, anew: () => anew, close: () => following.close() }
}

const ok = async (): Promise<void> => {}

it('goes on after a restart where it has stopped, and reads nothing before that', async () => {
  const [source, journal] = [node(), await memoryJournal()]
  source.pay('00')
  const first = follow(source, journal, ok)
  await expect.poll(() => source.asked).toEqual([undefined])
  source.pay('11')
  await expect.poll(() => first.heard).toEqual(['11'])
  await first.close()
  expect(await journal.nodeCursor('lnd-1')).toBe('2')
  source.pay('22')
  source.pay('33')
  const second = follow(source, journal, ok)
  await expect.poll(() => second.heard).toEqual(['22', '33'])
  expect(source.asked).toEqual([undefined, '2'])
  expect([first.anew(), second.anew()]).toEqual([1, 0])
})

it('does not go past a settlement that could not be written down', async () => {
  const [source, journal] = [node(), await memoryJournal()]
  await journal.keepNodeCursor('lnd-1', '0')
  let down = true
  const following = follow(source, journal, async (hash) => {
    if (down && hash.startsWith('22')) throw new L402Error('store_unavailable', 'the store is away')
  })
  for (const byte of ['11', '22', '33']) source.pay(byte)
  await expect.poll(() => source.asked.length).toBeGreaterThan(1)
  expect(await journal.nodeCursor('lnd-1')).not.toBe('3')
  expect(source.asked.at(-1)).toBe('1')
  down = false
  await expect.poll(() => following.heard.slice(-2), { timeout: 5_000 }).toEqual(['22', '33'])
  await following.close()
  expect(await journal.nodeCursor('lnd-1')).toBe('3')
})

it('begins anew from a cursor that the node cannot have made, and says so', async () => {
  const [source, journal] = [node(), await memoryJournal()]
  await journal.keepNodeCursor('lnd-1', 'of another kind of node')
  const following = follow(source, journal, ok)
  await expect.poll(() => source.asked).toEqual(['of another kind of node', undefined])
  expect(following.anew()).toBe(1)
  source.pay('44')
  await expect.poll(() => following.heard).toEqual(['44'])
})

it('keeps no cursor beyond all measure', async () => {
  const journal = await memoryJournal()
  let heard = 0
  const following = followSettlements({
    source: {
      async *settlements({ signal }) {
        yield { paymentHash: new Uint8Array(32), amountMsat: 1n, cursor: 'x'.repeat(5_000) }
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      },
    },
    ...{ journal, node: 'lnd-1', onStartingAnew: () => {}, log: { warn: () => {} } },
    onSettled: async () => void heard++,
  })
  await expect.poll(() => heard).toBe(1)
  await following.close()
  expect(await journal.nodeCursor('lnd-1')).toBeUndefined()
})
