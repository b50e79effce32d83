import { expect, it } from 'vitest'
import { bench, challengeOf, passed, refused } from '../../../test/gate-bench.ts'
import { readRateLimits } from '../limits/rate-rules.ts'
import { routeTerms } from '../route-terms.ts'
import type { Authorization } from './metered.ts'
import type { Pricer } from './pricer.ts'

/** A price server that keeps balances in memory. */
function server(minted: (tokenId: string) => Promise<void>) {
  const state: { answer: Authorization } = { answer: { allowed: true, reserved: 0n } }
  const price: Pricer = {
    ...{ kind: 'test', text: 'test', readsBody: false, timeoutMs: 1_000, binds: 'route' },
    price: () => ({ state: 'priced', amountMsat: 10_000n }),
    metered: {
      tailBytes: 0,
      minted: (_, { tokenId }) => minted(tokenId),
      authorize: async () => state.answer,
      report: () => {},
    },
  }
  return { state, route: routeTerms('weather', '/chat', { price, grants: { valid: '1h' } }) }
}

it('a challenge that is handed out again is told to the price server once, however many ask', async () => {
  const told: string[] = []
  const { route } = server(async (tokenId) => void told.push(tokenId))
  const { ask } = bench({ challenges: {} })
  const decisions = await Promise.all([ask(route), ask(route), ask(route)])
  decisions.push(await ask(route))
  expect(new Set(decisions.map((decision) => challengeOf(decision).invoice)).size).toBe(1)
  expect(told).toHaveLength(1)
})

it('one that could not be told does not go out, and is told when it is asked for again', async () => {
  let tries = 0
  const { route } = server(async () => {
    if (++tries === 1) throw new Error('unavailable')
  })
  const { ask } = bench({ challenges: {} })
  expect(refused(await ask(route)).status).toBe(503)
  expect(refused(await ask(route)).status).toBe(402)
  expect(tries).toBe(2)
})

it('a request that the price server refuses is taken out of the rates again', async () => {
  const { route, state } = server(async () => {})
  const { ask, buy } = bench()
  const credential = await buy(route)
  const limits = readRateLimits('test', [{ requests: '1/1h', per: 'token' }])
  state.answer = { allowed: false, amountMsat: undefined }
  for (let i = 0; i < 3; i++) expect(refused(await ask({ ...route, limits }, credential)).status).toBe(402)
  state.answer = { allowed: true, reserved: 0n }
  passed(await ask({ ...route, limits }, credential))
  expect(refused(await ask({ ...route, limits }, credential)).status).toBe(429)
})
