/** What a handler behind the gate sees of a payment, and says about its cost. */

import { MAX_AMOUNT_MSAT } from '../core/amount.ts'
import type { Entitlement, RouteTerms } from './gate.ts'
import type { Charge } from './metering/charge.ts'
import type { Meter } from './metering/meter.ts'
import { pausableClock } from './metering/pausable-clock.ts'
import type { StreamMetering } from './payment-scheme/session/stream/session-stream.ts'
import { leftIn } from './rate-limit-lines.ts'
import { meteringOf } from './serve-held.ts'

/** Who has paid for a request, and what is left to them. Holds no secret. */
export interface L402Access {
  /** Lower-case hex of 32 bytes, the same after a top-up; empty for a freebie. */
  readonly tokenId: string
  /** Lower-case hex of 32 bytes; empty for a freebie. */
  readonly paymentHash: string
  /** Nobody has paid: the client has this request for nothing. */
  readonly freebie: boolean
  readonly service: string
  /**
   * What is left after this request: calls, and credit in msat with the estimate of this one taken off. `null` where that is
   * not counted.
   */
  readonly left: { readonly calls: number | null; readonly creditMsat: bigint | null }
  /**
   * Adds to what this request costs, in msat; of a route with `charge: { byHandler: true }`. Where it is never called, the
   * estimate is charged. In the event stream of a session it is for the event that is written next, which waits until the
   * balance covers it.
   *
   * @throws TypeError on any other route, RangeError for less than 0, Error once the request is settled.
   */
  charge(costMsat: bigint): void
}

/** A handler's access, and the meter that hears what it says. */
export interface HeldAccess {
  readonly access: L402Access
  /** `null` where the route is not metered. */
  readonly metering: StreamMetering | null
}

/** The access of one request. */
export function createAccess(entitlement: Entitlement, route: RouteTerms, method: string): HeldAccess {
  const { tokenId, paymentHash, service, freebie = false, answerHeaders } = entitlement
  const { charge } = route
  const told = charge?.byHandler === true ? handlerMeter(charge) : undefined
  const metering = told?.metering ?? meteringOf(route, method)
  const access: L402Access = {
    tokenId,
    paymentHash,
    freebie,
    service,
    get left() {
      return leftIn(answerHeaders)
    },
    charge(costMsat) {
      if (told === undefined)
        throw new TypeError('charge() is for a route with charge: { byHandler: true, estimate: … }')
      told.add(costMsat)
    },
  }
  return { access, metering }
}

interface HandlerMeter {
  readonly metering: StreamMetering
  add(costMsat: bigint): void
}

/** Knows what the handler says; measures nothing. */
function handlerMeter(charge: Charge): HandlerMeter {
  const { fixedMsat, estimateMsat } = charge
  let saidMsat: bigint | undefined
  let ended = false
  const meter: Meter = {
    request() {},
    head() {},
    body() {},
    get soFarMsat() {
      return saidMsat === undefined ? 0n : fixedMsat + saidMsat
    },
    end() {
      ended = true
      return saidMsat === undefined ? estimateMsat : fixedMsat + saidMsat
    },
  }
  return {
    // No time is measured: the clock is for what is waited for elsewhere.
    metering: { meter, charge, clock: pausableClock() },
    add(costMsat) {
      if (ended) throw new Error('the request is settled already: charge before its answer ends')
      if (typeof costMsat !== 'bigint' || costMsat < 0n)
        throw new RangeError('invalid cost: expected msat as a bigint from 0')
      const sum = (saidMsat ?? 0n) + costMsat
      saidMsat = sum < MAX_AMOUNT_MSAT ? sum : MAX_AMOUNT_MSAT
    },
  }
}
