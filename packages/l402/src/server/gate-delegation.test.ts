import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Bench, bench, narrowed, passed, refused } from '../../test/gate-bench.ts'
import { decodeBase64, decodeHex, encodeBase64, encodeHex } from '../core/bytes.ts'
import { attenuateMacaroon } from '../core/chain.ts'
import { decodeMacaroon, encodeMacaroon } from '../core/macaroon.ts'
import type { RouteTerms } from './gate.ts'
import { routeTerms } from './route-terms.ts'

const CALLS = routeTerms('weather', 'POST /query', { price: '1 sat', grants: { calls: 20 } })
const CREDIT = routeTerms('weather', 'POST /chat', {
  price: '1 sat',
  grants: { credit: 200n },
  charge: { fixed: 10n },
})

interface Kind {
  readonly route: RouteTerms
  readonly condition: string
  /** What the purchase holds, and what a request takes of it. */
  readonly granted: number
  readonly cost: number
}
const kinds: readonly Kind[] = [
  { route: CALLS, condition: 'weather_max_calls', granted: 20, cost: 1 },
  { route: CREDIT, condition: 'weather_max_spend_msat', granted: 200, cost: 10 },
]

/** The same macaroon in another spelling, or with caveats that narrow nothing more. */
const SPELLINGS: readonly ((credential: string, condition: string, limit: number) => readonly string[])[] = [
  (credential) => ['Authorization', credential],
  (credential) => ['Authorization', credential.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')],
  (credential) => ['authorization', credential.replace('L402', 'lsat')],
  (credential) => ['Authorization', narrowed(credential, 'weather_methods=POST', 'weather_methods=POST')],
  // The budget stated once more: another counter, and the one before it counts all the same.
  (credential, condition, limit) => ['Authorization', narrowed(credential, `${condition}=${limit}`)],
  (credential) => ['Macaroon', inHex(credential)],
]

function inHex(credential: string): string {
  const [token = '', preimage = ''] = credential.slice('L402 '.length).split(':')
  const macaroon = decodeMacaroon(decodeBase64(token) as Uint8Array)
  return encodeHex(encodeMacaroon(attenuateMacaroon(macaroon, [`preimage=${preimage}`])))
}

/** Whether the request passes; what it holds is committed, or given back. */
async function use(
  self: Bench,
  { route }: Kind,
  headers: readonly string[],
  end: 'commit' | 'release',
): Promise<boolean> {
  const decision = await self.ask(route, undefined, { method: 'POST', headers })
  if (decision.outcome === 'pass') await decision.entitlement?.[end]()
  else expect(refused(decision).reason).toBe('exhausted')
  return decision.outcome === 'pass'
}

describe.each(kinds)('budgets in $condition that are handed on (protocol §5)', (kind) => {
  const { condition, granted, cost, route } = kind
  const tree = fc.array(fc.record({ parent: fc.nat(), limit: fc.integer({ min: 1, max: granted / cost }) }), {
    minLength: 1,
    maxLength: 8,
  })
  const requests = fc.array(
    fc.record({ node: fc.nat(), spelling: fc.nat(), end: fc.constantFrom('commit', 'commit', 'release') }),
    { minLength: 1, maxLength: 60 },
  )

  it('admit a request exactly if every budget above it has room, in whatever spelling', async () => {
    await fc.assert(
      fc.asyncProperty(tree, requests, async (nodes, asked) => {
        const self = bench()
        const budgets: { credential: string; limit: number; line: number[]; used: number }[] = [
          { credential: await self.buy(route), limit: granted, line: [0], used: 0 },
        ]
        for (const { parent, limit } of nodes) {
          const above = budgets[parent % budgets.length]
          if (above === undefined) continue
          // Each later one must narrow.
          const own = Math.min(limit * cost, above.limit)
          // Two copies with the same caveats are one credential; these are to be different ones.
          const end = self.clock - budgets.length
          budgets.push({
            credential: narrowed(above.credential, `weather_valid_until=${end}`, `${condition}=${own}`),
            limit: own,
            line: [...above.line, budgets.length],
            used: 0,
          })
        }
        for (const { node, spelling, end } of asked) {
          const budget = budgets[node % budgets.length]
          const spell = SPELLINGS[spelling % SPELLINGS.length]
          if (budget === undefined || spell === undefined) continue
          const line = budget.line.flatMap((index) => budgets[index] ?? [])
          const room = line.every(({ used, limit }) => used + cost <= limit)
          const headers = spell(budget.credential, condition, budget.limit)
          expect(await use(self, kind, headers, end)).toBe(room)
          if (room && end === 'commit') for (const each of line) each.used += cost
        }
        for (const { used, limit } of budgets) expect(used).toBeLessThanOrEqual(limit)
      }),
      { numRuns: 40 },
    )
  })

  it('share one counter among copies, asked all at once', async () => {
    const self = bench()
    const parent = await self.buy(route)
    const child = narrowed(parent, `${condition}=${5 * cost}`)
    const copies = Array.from({ length: 40 }, (_, n) => SPELLINGS[n % 3]?.(child, condition, 5 * cost) ?? [])
    const outcomes = await Promise.all(copies.map((headers) => use(self, kind, headers, 'commit')))
    expect(outcomes.filter(Boolean)).toHaveLength(5)
  })

  it('never let siblings together have more than their parent, asked all at once', async () => {
    const self = bench()
    const parent = narrowed(await self.buy(route), `${condition}=${8 * cost}`)
    const siblings = Array.from({ length: 6 }, (_, n) =>
      narrowed(parent, `weather_valid_until=${self.clock + n}`, `${condition}=${4 * cost}`),
    )
    const outcomes = await Promise.all(
      siblings.flatMap((each) =>
        Array.from({ length: 10 }, () => use(self, kind, ['Authorization', each], 'commit')),
      ),
    )
    expect(outcomes.filter(Boolean)).toHaveLength(8)
  })

  it('hold 32 deep', async () => {
    const self = bench()
    let credential = await self.buy(route)
    for (let depth = 0; depth < 32; depth++)
      credential = narrowed(credential, `${condition}=${Math.max(3, 16 - depth) * cost}`)
    const outcomes = await Promise.all(
      Array.from({ length: 9 }, () => use(self, kind, ['Authorization', credential], 'commit')),
    )
    expect(outcomes.filter(Boolean)).toHaveLength(3)
  })

  it.each(['wider', 'reordered'])('cannot be widened: %s', async (how) => {
    const self = bench()
    const child = narrowed(await self.buy(route), `${condition}=${2 * cost}`)
    const wide = narrowed(child, `${condition}=${3 * cost}`)
    expect(refused(await self.ask(route, wide)).reason).toBe('caveat_failed')
    const [token = '', preimage = ''] = wide.slice('L402 '.length).split(':')
    const macaroon = decodeMacaroon(decodeBase64(token) as Uint8Array)
    const caveats = how === 'wider' ? macaroon.caveats.slice(0, -2) : [...macaroon.caveats].reverse()
    const forged = encodeBase64(encodeMacaroon({ ...macaroon, caveats }))
    expect(decodeHex(preimage)).toHaveLength(32)
    expect(refused(await self.ask(route, `L402 ${forged}:${preimage}`)).reason).toBe('bad_signature')
    passed(await self.ask(route, child))
  })
})
