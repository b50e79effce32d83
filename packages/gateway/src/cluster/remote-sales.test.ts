import type { SaleFacts } from '@turnpike/l402/server'
import { expect, it } from 'vitest'
import type { MainCalls } from './calls.ts'
import { remoteSales } from './remote-sales.ts'
import type { Peer } from './rpc.ts'

const SALE: SaleFacts = {
  paymentHash: 'aa'.repeat(32),
  tokenId: 'bb'.repeat(32),
  service: 'demo',
  route: '/paid/*',
  amountMsat: 1_000n,
  amountExact: true,
  grants: { calls: 3, creditMsat: null, validSeconds: null },
  callsKey: null,
  endsAtMs: null,
}

function peer(answers: (() => Promise<unknown>)[]): { asked: string[]; main: Peer<MainCalls> } {
  const asked: string[] = []
  const call = (name: string): Promise<unknown> => {
    asked.push(name)
    return answers.shift()?.() ?? Promise.resolve(true)
  }
  return { asked, main: { call } as unknown as Peer<MainCalls> }
}

it('a redemption is told at once, and again until the main process has taken it', async () => {
  const { asked, main } = peer([() => Promise.reject(new Error('busy')), () => Promise.resolve(false)])
  expect(remoteSales(main, { againMs: 1 }).redeemed(SALE)).toBe(true)
  expect(asked).toEqual(['saleRedeemed'])
  await expect.poll(() => asked).toEqual(['saleRedeemed', 'saleRedeemed', 'saleRedeemed'])
})

it('what waits is bounded: a redemption beyond that is not taken, and told when it comes again', async () => {
  let answer: ((taken: boolean) => void) | undefined
  const { asked, main } = peer([
    () =>
      new Promise((resolve) => {
        answer = resolve
      }),
  ])
  const sales = remoteSales(main, { most: 1 })
  expect(sales.redeemed(SALE)).toBe(true)
  expect(sales.redeemed(SALE)).toBe(false)
  expect(asked).toHaveLength(1)
  answer?.(true)
  await expect.poll(() => sales.redeemed(SALE)).toBe(true)
})

it('a challenge and an exhaustion that do not arrive do no harm', async () => {
  const gone = (): Promise<unknown> => Promise.reject(new Error('gone'))
  const { asked, main } = peer([gone, gone])
  const sales = remoteSales(main)
  sales.challenged({ ...SALE, payableUntil: 1 })
  sales.exhausted(SALE)
  await Promise.resolve()
  expect(asked).toEqual(['saleChallenged', 'saleExhausted'])
})
