import {
  decodeBase64,
  decodeIdentifier,
  decodeMacaroon,
  findL402Challenges,
  formatCredential,
} from '@turnpike/l402'
import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { createGate, type GateOptions, keyRing, type RouteTerms, routeTerms } from '@turnpike/l402/server'
import { memoryStore } from '@turnpike/l402/store/memory'

type Ledger = GateOptions['ledger']

const REQUESTS = 10_000
const ROUTES: readonly (readonly [what: string, route: RouteTerms])[] = [
  ['a pass', routeTerms('bench', 'GET /pass', { price: '1 sat', grants: { valid: '1h' } })],
  ['a bundle', routeTerms('bench', 'GET /bundle', { price: '1 sat', grants: { calls: REQUESTS } })],
]

/** Counts, not times: how often the gate asks the books. */
export async function accesses(): Promise<void> {
  let asked = 0
  const books = memoryStore()
  const ledger = new Proxy(books, {
    get(target, name: keyof Ledger) {
      const member = target[name]
      if (typeof member !== 'function' || name === 'isRevoked') return member
      return (...args: never[]) => {
        asked++
        return (member as (...all: never[]) => unknown).apply(target, args)
      }
    },
  })
  const lightning = memoryLightning()
  const masterKey = crypto.getRandomValues(new Uint8Array(32))
  const gate = createGate({
    lightning,
    ledger,
    keys: keyRing([{ id: 'bench', masterKey, active: true }]),
    services: { bench: {} },
    challengeLimit: { limit: 1, perSeconds: 1, exempt: () => true },
  })
  const ask = async (route: RouteTerms, headers: readonly string[]) =>
    gate.decide({ method: 'GET', path: '/', clientAddress: '192.0.2.1', headers, route })

  for (const [what, route] of ROUTES) {
    const refused = await ask(route, [])
    if (refused.outcome !== 'refuse') throw new Error('expected a challenge')
    const [challenge] = findL402Challenges([refused.headers[1] ?? ''])
    if (challenge === undefined) throw new Error('expected a challenge')
    const { identifier } = decodeMacaroon(decodeBase64(challenge.macaroon) ?? new Uint8Array())
    const { paymentHash } = decodeIdentifier(identifier)
    const payment = { invoice: challenge.invoice, paymentHash, amountMsat: route.priceMsat }
    const paid = await lightning.pay({ ...payment, maxFeeMsat: 0n, timeoutMs: 1_000 })
    if (paid.status !== 'paid') throw new Error('expected a payment')
    const headers = ['Authorization', formatCredential(challenge.macaroon, paid.preimage)]
    asked = 0
    for (let n = 0; n < REQUESTS; n++) {
      const decision = await ask(route, headers)
      if (decision.outcome !== 'pass') throw new Error('expected a pass')
      await decision.entitlement?.serve()
      await decision.entitlement?.commit()
    }
    console.log(`the gate asks the books ${asked} times for ${REQUESTS} requests with ${what}`)
  }
  asked = 0
  const unpaid = REQUESTS / 10
  for (let n = 0; n < unpaid; n++) await ask(ROUTES[0]?.[1] ?? routeTerms('bench', '/', { free: true }), [])
  console.log(`the gate asks the books ${asked} times for ${unpaid} unpaid requests`)
  await books.close()
}
