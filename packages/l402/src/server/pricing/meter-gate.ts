import { decodeBase64, encodeHex } from '../../core/bytes.ts'
import { decodeIdentifier } from '../../core/identifier.ts'
import { decodeMacaroon } from '../../core/macaroon.ts'
import { priceUnavailable } from '../answers.ts'
import type { IssuedChallenge } from '../challenger.ts'
import type { Entitlement, GateRequest, Pass, Refused } from '../gate.ts'
import type { AnswerUsage, Authorization, Metered } from './metered.ts'
import type { NoPrice, Pricer } from './pricer.ts'
import { checkedQuote, priceRequest, type ToldPrice, withinTime } from './pricing.ts'

/** What a price server's word comes to: the pass, an answer, or the request at the price of another purchase. */
export type Metering = Pass | Refused | { readonly denied: GateRequest }

/** Asks a metered price server about a request that has a good credential; what was reserved is given back where it refuses. */
export async function meter(
  request: GateRequest,
  entitlement: Entitlement,
  told: ToldPrice,
): Promise<Metering> {
  const { pricer } = request.route
  const metered = pricer?.metered
  if (pricer === undefined || metered === undefined) return { outcome: 'pass', entitlement }
  const { tokenId } = entitlement
  const asked = await withinTime(pricer, (signal) =>
    metered.authorize(priceRequest(request), { tokenId, signal }),
  )
  if ('allowed' in asked && asked.allowed)
    return {
      outcome: 'pass',
      entitlement: reporting(entitlement, request, { metered, reserved: asked.reserved }),
    }
  void entitlement.release()
  if (!('allowed' in asked)) {
    told(request, pricer, asked)
    return priceUnavailable(request, asked)
  }
  return denied(request, pricer, { asked, told })
}

function denied(
  request: GateRequest,
  pricer: Pricer,
  { asked, told }: { asked: Extract<Authorization, { allowed: false }>; told: ToldPrice },
): Metering {
  if (asked.amountMsat === undefined) return { denied: request }
  const quote = checkedQuote({ state: 'priced', amountMsat: asked.amountMsat }, pricer)
  if (quote.state === 'priced')
    return { denied: { ...request, route: { ...request.route, priceMsat: quote.amountMsat } } }
  told(request, pricer, quote)
  return quote.state === 'free' ? { denied: request } : priceUnavailable(request, quote)
}

/** Tells the price server once how it ended, also where the resource was never asked. */
function reporting(
  entitlement: Entitlement,
  { route, path }: GateRequest,
  { metered, reserved }: { readonly metered: Metered; readonly reserved: bigint },
): Entitlement {
  const { tokenId } = entitlement
  let reported = false
  const report = (usage: AnswerUsage): void => {
    if (reported) return
    reported = true
    metered.report({ ...usage, tokenId, service: route.service, path, reserved })
  }
  const unasked = (): void =>
    report({ status: 0, contentType: '', contentEncoding: '', complete: false, tail: new Uint8Array(0) })
  return {
    ...entitlement,
    // There is something to settle, whatever the ledger holds.
    counted: true,
    usage: { tailBytes: metered.tailBytes, report },
    commit(settlement) {
      unasked()
      return entitlement.commit(settlement)
    },
    release() {
      unasked()
      return entitlement.release()
    },
  }
}

/** Tells a metered price server which credential was made. `null`, or why the challenge must not go out. */
type MintedTeller = (request: GateRequest, issued: IssuedChallenge) => Promise<Refused | null>

/** See {@link MintedTeller}. A challenge that is handed out again is told once: a price server may add up what it is told. */
export function mintedTeller(told: ToldPrice): MintedTeller {
  const known = new WeakMap<IssuedChallenge, Promise<NoPrice | null>>()
  return async (request, issued) => {
    const { pricer } = request.route
    const metered = pricer?.metered
    if (pricer === undefined || metered === undefined) return null
    let telling = known.get(issued)
    if (telling === undefined) {
      telling = withinTime(pricer, (signal) => tell(request, issued, { metered, signal }))
      known.set(issued, telling)
    }
    const failed = await telling
    if (failed === null) return null
    // The next who is to get this challenge tries again.
    if (known.get(issued) === telling) known.delete(issued)
    told(request, pricer, failed)
    return priceUnavailable(request, failed)
  }
}

async function tell(
  request: GateRequest,
  { amountMsat, macaroon }: IssuedChallenge,
  { metered, signal }: { readonly metered: Metered; readonly signal: AbortSignal },
): Promise<null> {
  const { identifier } = decodeMacaroon(decodeBase64(macaroon) ?? new Uint8Array(0))
  const tokenId = encodeHex(decodeIdentifier(identifier).tokenId)
  await metered.minted(priceRequest(request), { tokenId, amountMsat, signal })
  return null
}
