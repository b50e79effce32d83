import { describe, expect, it } from 'vitest'
import type { OpenHold } from './hold-journal.ts'
import { shareHolds } from './shared-holds.ts'

const hold = (n: number): OpenHold => ({
  paymentHash: String(n).repeat(64),
  tokenId: 'f'.repeat(64),
  expiresAt: 1_900_000_000,
  answered: false,
})

function world(add: (hold: OpenHold) => Promise<void> = async () => {}) {
  const written: OpenHold[] = []
  const over: OpenHold[] = []
  const adopted: OpenHold[] = []
  const journal = {
    async add(one: OpenHold) {
      await add(one)
      written.push(one)
    },
    async done(paymentHash: string) {
      over.push({ ...hold(0), paymentHash })
    },
  }
  const holds = shareHolds(journal, { adopt: (one) => void adopted.push(one) })
  return { holds, written, over, adopted }
}

describe('what a process was to see through that has ended', () => {
  it('is taken over, as it was written last, and nothing of the others', async () => {
    const { holds, written, over, adopted } = world()
    await holds.add(1, hold(1))
    await holds.add(1, hold(2))
    await holds.add(2, hold(3))
    await holds.add(1, { ...hold(1), answered: true })
    await holds.done(hold(2).paymentHash)
    expect([written.length, over.length]).toEqual([4, 1])
    holds.ended(1)
    expect(adopted).toEqual([{ ...hold(1), answered: true }])
    holds.ended(1)
    expect(adopted).toHaveLength(1)
  })

  it('is taken over also where it is written down after the end', async () => {
    let write = (): void => {}
    const { holds, adopted } = world(
      () =>
        new Promise((resolve) => {
          write = resolve
        }),
    )
    const adding = holds.add(1, hold(1))
    holds.ended(1)
    expect(adopted).toEqual([hold(1)])
    write()
    await adding
    const late = holds.add(1, hold(2))
    write()
    await late
    expect(adopted).toEqual([hold(1), hold(2)])
  })

  it('is not taken over where it could not be written down: its buyer was not asked to pay', async () => {
    const { holds, adopted } = world(() => Promise.reject(new Error('full')))
    await expect(holds.add(1, hold(1))).rejects.toThrow('full')
    holds.ended(1)
    expect(adopted).toEqual([])
  })
})
