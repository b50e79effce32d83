/** The gate and the ledger with somebody counting beside them. */

import type { Decision, Gate, GateOptions, GateRequest } from '@turnpike/l402/server'
import type { LedgerOperation, Metrics } from './metrics.ts'

/** The seller's books. */
export type Ledger = GateOptions['ledger']

/** A gate that can be exchanged while requests run, and that is counted. */
export interface SwitchableGate extends Gate {
  /** Decides as the gate of this moment, whatever it is exchanged for. */
  pinned(): Pick<Gate, 'decide'>
  /** Every later decision is the new gate's. */
  switchTo(gate: Gate): void
}

/** Puts a counter before `first`. Synchronous decisions stay synchronous. */
export function watchGate(first: Gate, metrics: Metrics): SwitchableGate {
  let gate = first
  // What the gates before have counted.
  let before = { hits: 0, misses: 0 }
  const decideBy = (by: Gate, request: GateRequest): Decision | Promise<Decision> => {
    const count = (decision: Decision): Decision => {
      if (decision.outcome === 'refuse') {
        metrics.refused(request.route, decision.reason, decision.status === 402)
      } else if (decision.outcome === 'pass') {
        if (decision.shadow !== undefined) metrics.shadowRefused(request.route, decision.shadow)
        else if (decision.entitlement?.freebie === true) metrics.freebie(request.route)
        else if (decision.entitlement !== null) metrics.redeemed(request.route)
      }
      return decision
    }
    const decision = by.decide(request)
    return decision instanceof Promise ? decision.then(count) : count(decision)
  }
  return {
    decide: (request) => decideBy(gate, request),
    pinned() {
      const now = gate
      return { decide: (request) => decideBy(now, request) }
    },
    wantsDigest: (request) => gate.wantsDigest(request),
    balance: (headers, asked) => gate.balance(headers, asked),
    submitPage: (form) => gate.submitPage?.(form) ?? null,
    get cachedVerdicts() {
      return gate.cachedVerdicts
    },
    get heldChallenges() {
      return gate.heldChallenges
    },
    get verdictLookups() {
      const { hits, misses } = gate.verdictLookups
      return { hits: before.hits + hits, misses: before.misses + misses }
    },
    switchTo(next) {
      const { hits, misses } = gate.verdictLookups
      before = { hits: before.hits + hits, misses: before.misses + misses }
      gate = next
    },
  }
}

/** Times every operation of `ledger`. */
export function watchLedger(ledger: Ledger, metrics: Metrics): Ledger {
  const timed = <T>(operation: LedgerOperation, work: Promise<T>): Promise<T> => {
    const startedAt = performance.now()
    const done = (ok: boolean) => () => metrics.ledger(operation, (performance.now() - startedAt) / 1000, ok)
    work.then(done(true), done(false))
    return work
  }
  return {
    credit: (redemption, amountMsat) => timed('credit', ledger.credit(redemption, amountMsat)),
    reserve: (request) => timed('reserve', ledger.reserve(request)),
    serve: (id) => timed('serve', ledger.serve(id)),
    draw: (id, actualMsat) => timed('draw', ledger.draw(id, actualMsat)),
    commit: (id, actualMsat) => timed('commit', ledger.commit(id, actualMsat)),
    release: (id) => timed('release', ledger.release(id)),
    read: (keys) => timed('read', ledger.read(keys)),
    pace: (rates) => timed('pace', ledger.pace(rates)),
    unpace: (rates) => timed('unpace', ledger.unpace(rates)),
    once: (mark, untilMs) => timed('once', ledger.once(mark, untilMs)),
    claim: (claim) => timed('claim', ledger.claim(claim)),
    serveClaim: (key, ifLost) => timed('serveClaim', ledger.serveClaim(key, ifLost)),
    answer: (key, answer) => timed('answer', ledger.answer(key, answer)),
    unclaim: (key) => timed('unclaim', ledger.unclaim(key)),
    prune: () => timed('prune', ledger.prune()),
    revoke: (target) => timed('revoke', ledger.revoke(target)),
    ping: () => timed('ping', ledger.ping()),
    isRevoked: (redemption) => ledger.isRevoked(redemption),
    get revocationEpoch() {
      return ledger.revocationEpoch
    },
    close: () => ledger.close(),
  }
}
