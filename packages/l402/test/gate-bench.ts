/** A gate on a clock of its own, with a buyer beside it, for tests. */

import { afterEach } from 'vitest'
import { decodeUnverifiedInvoice } from '../src/core/bolt11/index.ts'
import { decodeBase64, decodeHex, encodeBase64, encodeHex } from '../src/core/bytes.ts'
import { attenuateMacaroon } from '../src/core/chain.ts'
import { findL402Challenges } from '../src/core/challenge.ts'
import { formatCredential } from '../src/core/credential.ts'
import { decodeIdentifier } from '../src/core/identifier.ts'
import { decodeMacaroon, encodeMacaroon } from '../src/core/macaroon.ts'
import { type MemoryLightning, memoryLightning } from '../src/lightning/memory.ts'
import { createGate } from '../src/server/create-gate.ts'
import type { Decision, Gate, GateRequest, Pass, Refused, RouteTerms } from '../src/server/gate.ts'
import type { GateOptions } from '../src/server/gate-options.ts'
import { keyRing } from '../src/server/keys.ts'
import { routeTerms } from '../src/server/route-terms.ts'
import type { Ledger } from '../src/stores/ledger.ts'
import { memoryStore } from '../src/stores/memory/index.ts'

export const KEY = { id: 'k1', masterKey: new Uint8Array(32).fill(7), active: true }
export const PASS = routeTerms('weather', 'GET /forecast/*', { price: '10 sat', grants: { valid: '1h' } })
export const BUNDLE = routeTerms('weather', 'POST /query', { price: '100 sat', grants: { calls: 3 } })
export const BOTH = routeTerms('weather', '/both', { price: '5 sat', grants: { calls: 2, valid: '1m' } })
/** 100 sat of credit; each request is measured, and 2 sat are reserved for it. */
export const METERED = routeTerms('weather', 'POST /chat', {
  price: '100 sat',
  grants: { credit: '100 sat' },
  charge: { fixed: '1 sat', estimate: '2 sat' },
})
export const FREE = routeTerms('weather', '/health', { free: true })

export interface Bench {
  readonly gate: Gate
  readonly ledger: Ledger
  clock: number
  ask(route: RouteTerms, authorization?: string, more?: Partial<GateRequest>): Promise<Decision>
  /** Pays what a fresh 402 asks for; the credential. */
  buy(route: RouteTerms, authorization?: string, more?: Partial<GateRequest>): Promise<string>
}

const opened: Ledger[] = []
afterEach(async () => {
  for (const ledger of opened.splice(0)) await ledger.close()
})

/** `wallet` is what its buyer pays with, and what the gate sells with unless the options say otherwise. */
export function bench(options: Partial<GateOptions> = {}, wallet?: MemoryLightning): Bench {
  const now = (): number => self.clock
  const lightning = wallet ?? memoryLightning({ now })
  const ledger = options.ledger ?? memoryStore({ now })
  opened.push(ledger)
  const gate = createGate({
    lightning,
    ledger,
    keys: keyRing([KEY]),
    services: { weather: {} },
    now,
    // Each buyer of these tests gets an invoice of its own, though all ask from one address.
    challenges: { reuse: false },
    ...options,
  })
  const self: Bench = {
    gate,
    ledger,
    clock: 1_800_000_000_000,
    ask: async (route, authorization, more = {}) =>
      gate.decide({
        method: 'GET',
        path: '/forecast/paris',
        headers: authorization === undefined ? [] : ['Authorization', authorization],
        clientAddress: '192.0.2.7',
        route,
        ...more,
      }),
    async buy(route, authorization, more) {
      const { invoice, macaroon } = challengeOf(await self.ask(route, authorization, more))
      const { paymentHash } = decodeIdentifier(
        decodeMacaroon(decodeBase64(macaroon) as Uint8Array).identifier,
      )
      const paid = await lightning.pay({
        invoice,
        paymentHash,
        amountMsat: decodeUnverifiedInvoice(invoice).amountMsat ?? 0n,
        maxFeeMsat: 0n,
        timeoutMs: 1000,
      })
      if (paid.status !== 'paid') throw new Error(`the payment is ${paid.status}`)
      return formatCredential(macaroon, paid.preimage)
    },
  }
  return self
}

export function refused(decision: Decision): Refused {
  if (decision.outcome !== 'refuse') throw new Error(`expected a refusal, got a ${decision.outcome}`)
  return decision
}

export function passed(decision: Decision): Pass {
  if (decision.outcome === 'refuse')
    throw new Error(`expected a pass, got ${decision.status} ${decision.body}`)
  if (decision.outcome !== 'pass') throw new Error(`expected a pass, got a ${decision.outcome}`)
  return decision
}

export function challengeOf(decision: Decision): { invoice: string; macaroon: string } {
  const answer = refused(decision)
  const at = answer.headers.indexOf('WWW-Authenticate')
  const [challenge] = findL402Challenges([answer.headers[at + 1] ?? ''])
  if (challenge === undefined) throw new Error('expected a challenge')
  return challenge
}

/** The caveats and the token id of a 402's macaroon. */
export function soldIn(decision: Decision): { caveats: readonly string[]; tokenId: string } {
  const { identifier, caveats } = decodeMacaroon(decodeBase64(challengeOf(decision).macaroon) as Uint8Array)
  return {
    caveats: caveats.map(({ id }) => new TextDecoder().decode(id)),
    tokenId: encodeHex(decodeIdentifier(identifier).tokenId),
  }
}

export function narrowed(authorization: string, ...caveats: string[]): string {
  const [token = '', preimage = ''] = authorization.slice('L402 '.length).split(':')
  const macaroon = attenuateMacaroon(decodeMacaroon(decodeBase64(token) as Uint8Array), caveats)
  return formatCredential(encodeBase64(encodeMacaroon(macaroon)), decodeHex(preimage) as Uint8Array)
}
