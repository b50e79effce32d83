/** One hop, from the credentials in the purse to a purchase and what the server makes of it. */

import { decodeHex, encodeHex, equalBytes } from '../core/bytes.ts'
import type { PaymentRecord, StoredCredential } from '../stores/purse.ts'
import { answered, type Call, notServed, refusedOutcome, unpaidOutcome } from './call.ts'
import { canCarry } from './carry.ts'
import { servicesOf } from './credential-bounds.ts'
import { readMacaroon } from './credential-facts.ts'
import { boundChallenge } from './dpop-offer.ts'
import { challengesOf, firstPayable, forbidden, type NotPaid, ownAuthorization, refusedBy } from './gate.ts'
import { type HeldOptions, heldFor, owedPayment } from './held.ts'
import type { Hop } from './hop.ts'
import { notePaidBehind } from './paid-before.ts'
import { pay, record } from './pay.ts'
import type { PayableChallenge } from './payment-scheme/charge.ts'
import { present } from './present.ts'
import { finish } from './resume.ts'
import { lockName, scopeOf, shownUrl } from './scope.ts'
import { discard, send, sendPaid } from './send.ts'
import type { FetchOutcome } from './types.ts'
import { lookUp } from './wallet-calls.ts'
import { isWrittenOff } from './write-off.ts'

/** A 402 that is still to be dealt with: the answer (if anything was sent) and the challenges it makes. */
interface Unpaid {
  readonly response: Response | null
  readonly challenges: readonly PayableChallenge[] | NotPaid
}

/** Fetches one hop. The outcome of a redirect is `served`; following it is the caller's business. */
export async function visit(call: Call, hop: Hop): Promise<FetchOutcome> {
  const presented = await presentHeld(call, hop, { owedOnly: false, locked: false })
  if (presented && presented.status !== 402) return presented.outcome
  const response = presented?.response ?? (await send(call.run, call.request, { hop, credential: null }))
  if (response.status !== 402) return await answered(call, hop, { response, credential: null })
  return await purchase(call, hop, { response, challenges: challengesOf(response) })
}

/** Pays a quoted challenge, unless that has happened, and fetches. Nothing is sent before. */
export async function visitQuoted(call: Call, hop: Hop, challenge: PayableChallenge): Promise<FetchOutcome> {
  return await purchase(call, hop, { response: null, challenges: [challenge] })
}

type PresentedHeld =
  | { readonly status: 402; readonly response: Response }
  | { readonly status: 0; readonly outcome: FetchOutcome }

/** Presents what the purse holds, until one opens or none is left; `null` where there was nothing to present. */
async function presentHeld(
  call: Call,
  hop: Hop,
  which: Omit<HeldOptions, 'tried'>,
): Promise<PresentedHeld | null> {
  const { run, request, tried } = call
  const held = await heldFor(run, hop, { tried, ...which })
  let last: Response | null = null
  // A stream can be sent once only.
  for (const credential of request.replayable ? held : held.slice(0, 1)) {
    await discard(last)
    const response = await present(call, hop, { credential, send }).catch((cause: unknown) => ({ cause }))
    if ('cause' in response)
      return { status: 0, outcome: await stillUnserved(call, hop, { credential, ...response }) }
    if (response.status !== 402)
      return { status: 0, outcome: await answered(call, hop, { response, credential }) }
    await reject(call, hop, credential)
    last = response
  }
  return last && { status: 402, response: last }
}

/** What was paid for this scope before and cannot even be presented is not served; anything else is a plain failure. */
async function stillUnserved(
  call: Call,
  hop: Hop,
  { credential, cause }: { readonly credential: StoredCredential; readonly cause: unknown },
): Promise<FetchOutcome> {
  const payment = await call.run.purse.payment(credential.paymentHash)
  const owed = payment?.served !== 'redeemed' && credential.boughtFor === scopeOf(hop.method, hop.url)
  if (!payment || !owed || call.request.signal?.aborted) throw cause
  const detail = 'the connection failed again'
  return await notServed(call, hop, { credential, response: null, detail, cause })
}

/** A 402 marks a credential as rejected for the scope; nothing is deleted (rule C9). */
async function reject(call: Call, hop: Hop, credential: StoredCredential): Promise<void> {
  const scope = scopeOf(hop.method, hop.url)
  call.tried.add(credential.id)
  await call.run.purse.rejectCredential(credential.id, scope)
  call.run.emit({ type: 'credential_rejected', credentialId: credential.id, scope })
}

/** Why nothing is bought for this request, whatever the price. */
function obstacle(call: Call, hop: Hop, text: string): NotPaid | undefined {
  if (!canCarry(call.run, hop, text)) return ownAuthorization()
  if (!call.request.replayable)
    return refusedBy('not_replayable', 'the body is a stream, which cannot be sent again after paying')
  return forbidden(call.run, hop)
}

async function purchase(call: Call, hop: Hop, unpaid: Unpaid): Promise<FetchOutcome> {
  const { run, request } = call
  const { challenges, response } = unpaid
  const scope = scopeOf(hop.method, hop.url)
  if ('ok' in challenges) return refusedOutcome(call, hop, { why: challenges, response })
  const first = firstPayable(run, hop, challenges)
  if (first.offer) run.emit({ type: 'challenge', url: shownUrl(hop.url), ...first.offer })
  const hindrance = obstacle(call, hop, first.ok ? first.challenge.macaroon : '')
  if (hindrance) {
    // What can be paid by nobody is the challenge's fault before it is policy's.
    const why = first.ok ? { ...hindrance, offer: first.offer } : first
    return refusedOutcome(call, hop, { why, response })
  }
  run.emit({ type: 'waiting', scope })
  // Held until the server has answered: whoever waits finds the credential, and knows whether it opened (rule C5).
  return await run.purse.withLock(
    lockName(scope),
    async () => {
      const earlier = await finishOpen(call, hop, unpaid)
      if (earlier) return earlier
      // Another process may have bought meanwhile, or one of before may be paid now.
      const services = first.ok ? servicesIn(first.challenge.macaroon) : []
      const presented = await presentHeld(call, hop, { owedOnly: response === null, locked: true, services })
      if (presented && presented.status !== 402) return presented.outcome
      if (!presented) return await buy(call, hop, first.ok ? await stillOpen(call, hop, unpaid) : unpaid)
      await discard(response)
      const again = challengesOf(presented.response)
      return await buy(call, hop, { response: presented.response, challenges: response ? again : challenges })
    },
    request.signal ?? undefined,
  )
}

/** The services that a challenge sells. */
function servicesIn(macaroonText: string): readonly string[] {
  const macaroon = readMacaroon(macaroonText)
  return macaroon ? servicesOf(macaroon) : []
}

/** The challenge, or a new one where it expired while another process held the lock. */
async function stillOpen(call: Call, hop: Hop, unpaid: Unpaid): Promise<Unpaid> {
  const { challenges, response } = unpaid
  if ('ok' in challenges || response === null) return unpaid
  const now = firstPayable(call.run, hop, challenges)
  if (now.ok || now.reason !== 'expired') return unpaid
  await discard(response)
  const again = await send(call.run, call.request, { hop, credential: null })
  return { response: again, challenges: challengesOf(again) }
}

/** Looks up what is open in this scope; an outcome where that forbids going on (rule C3). */
async function finishOpen(call: Call, hop: Hop, unpaid: Unpaid): Promise<FetchOutcome | undefined> {
  const { run, purchases } = call
  for (const open of await run.purse.openPayments(scopeOf(hop.method, hop.url))) {
    if (await isWrittenOff(run.purse, open)) continue
    const paid = await finish(run, open, call.request.signal)
    if (paid.ok) {
      purchases.push(paid.purchase)
      await notePaidBehind(run, hop, paid.purchase)
    } else if (paid.kind !== 'payment_failed') {
      await discard(unpaid.response)
      return unpaidOutcome(call, hop, { paid, response: null })
    }
  }
  return undefined
}

/** Pays and sends again, as often as policy allows: once, or twice (rule C8). */
async function buy(call: Call, hop: Hop, start: Unpaid): Promise<FetchOutcome> {
  const { run, request, purchases } = call
  let { challenges, response }: Unpaid = start
  // It costs nothing by now, when asked again after the wait for the lock.
  if (response && response.status !== 402) return await answered(call, hop, { response, credential: null })
  const owed = await owedPayment(run, hop)
  const owing = await debt(call, hop, { response, owed })
  if (owing) return owing
  const most = owed ? 1 : mostPurchases(call)
  for (;;) {
    const asked = await boundChallenge(run, hop, { request, response, challenges })
    const { payable } = asked
    response = asked.response
    if (!payable.ok) return refusedOutcome(call, hop, { why: payable, response })
    const { offer, challenge } = payable
    if (call.onlyInvoice !== undefined && call.onlyInvoice !== challenge.invoice) {
      const why = refusedBy('quote_mismatch', 'only the quoted invoice is paid, and this is another', {
        offer,
      })
      return refusedOutcome(call, hop, { why, response })
    }
    const paid = await pay(run, hop, { payable, signal: request.signal })
    if (!paid.ok) {
      if (paid.kind !== 'refused' && paid.kind !== 'unpayable') await discard(response)
      return unpaidOutcome(call, hop, { paid, response })
    }
    purchases.push(paid.purchase)
    await discard(response)
    const delivered = await deliver(call, hop, paid.credential)
    if (!delivered.again || countBought(call) >= most) return delivered.outcome
    response = delivered.again
    challenges = challengesOf(response)
    if ('ok' in challenges) return delivered.outcome
  }
}

/** Presents what was just paid. `again` is an answer that asks for money once more. */
async function deliver(
  call: Call,
  hop: Hop,
  credential: StoredCredential,
): Promise<{ readonly outcome: FetchOutcome; readonly again: Response | null }> {
  let response: Response
  try {
    response = await present(call, hop, { credential, send: sendPaid })
  } catch (cause) {
    const detail = 'the connection failed after paying'
    return { outcome: await notServed(call, hop, { credential, response: null, detail, cause }), again: null }
  }
  if (response.status !== 402) {
    return { outcome: await answered(call, hop, { response, credential }), again: null }
  }
  await reject(call, hop, credential)
  const detail = 'the server asks for money again after it was paid'
  return { outcome: await notServed(call, hop, { credential, response, detail }), again: response }
}

/** Purchases that this call may make: of a quote it is the one that was quoted. */
function mostPurchases({ run, onlyInvoice }: Call): number {
  return onlyInvoice === undefined ? run.maxPurchases : 1
}

/** Payments that this call has made itself. */
function countBought(call: Call): number {
  return call.purchases.filter((one) => !one.resumed).length
}

/** What stands against buying here: money that the server took and gave nothing for, now or before (rule C8). */
async function debt(
  call: Call,
  hop: Hop,
  { response, owed }: { readonly response: Response | null; readonly owed: PaymentRecord | undefined },
): Promise<FetchOutcome | undefined> {
  const { run, purchases } = call
  const last = purchases.findLast((one) => !one.resumed)
  if (last && countBought(call) >= mostPurchases(call)) {
    const detail = 'the server asks for money again after it was paid'
    const { credentialId: id, paymentHash: hash } = last
    const paymentHash = decodeHex(hash)
    if (paymentHash === undefined) throw new TypeError('a payment hash is hex')
    return await notServed(call, hop, { credential: { id, paymentHash }, response, detail })
  }
  if (!owed || run.options.secondPurchase) return undefined
  if (owed.state === 'paid_unproven') {
    await discard(response)
    return await proveLate(call, hop, owed)
  }
  const held = await run.purse.credentials(owed.origin)
  const credential = held.find((one) => equalBytes(one.paymentHash, owed.paymentHash))
  return await notServed(call, hop, {
    credential: credential ?? { id: '', paymentHash: owed.paymentHash },
    response,
    detail: 'this was paid before and is not served; it is not bought again unless told so',
  })
}

/** A payment without its proof (rule C4): the wallet may know the preimage by now. */
async function proveLate(call: Call, hop: Hop, owed: PaymentRecord): Promise<FetchOutcome> {
  const { run, purchases } = call
  const { paymentHash, amountMsat, origin, detail } = owed
  const answer = await lookUp(run, paymentHash)
  const paid =
    answer.status === 'paid'
      ? await record(run, { paymentHash, amountMsat, origin, resumed: true }, answer)
      : null
  if (!paid?.ok) {
    const url = hop.url.href
    return { kind: 'paid_unproven', url, purchases, paymentHash: encodeHex(paymentHash), detail }
  }
  purchases.push(paid.purchase)
  await notePaidBehind(run, hop, paid.purchase)
  return (await deliver(call, hop, paid.credential)).outcome
}
