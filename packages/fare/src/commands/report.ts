import { formatAmount } from '@turnpike/l402'
import type { FetchOutcome, Offer, Purchase } from '@turnpike/l402/client'
import { printable } from '../cli/text.ts'

/** What happened to the money, first; then why. One or two sentences. */
export function moneyFirst(outcome: FetchOutcome): string {
  const spent = spentText(outcome.purchases)
  switch (outcome.kind) {
    case 'served':
      return spent === '' ? 'Nothing was paid.' : spent
    case 'refused':
    case 'unpayable':
      return `${spent === '' ? 'Nothing was paid' : spent}: ${printable(outcome.detail)}`
    case 'payment_failed':
      return `Nothing was spent: the payment failed. ${printable(outcome.detail)}`
    case 'payment_unknown':
      return `It is not known whether this was paid: ${printable(outcome.detail)} Nothing will be paid twice; fare recover looks it up.`
    case 'not_served':
      return `${spent === '' ? 'Paid earlier' : spent}, but not served: ${printable(outcome.detail)} The credential is kept and tried first next time.`
    case 'paid_unproven':
      return `Paid, but the wallet gave no valid preimage: ${printable(outcome.detail)}`
    case 'wallet_unreachable':
      return `Nothing was paid: ${printable(outcome.detail)}`
  }
}

/** `Paid 10 sat (fee 0 msat) …` or an empty text. */
function spentText(purchases: readonly Purchase[]): string {
  return purchases
    .map(({ amountMsat, feeMsat, resumed, credentialId }) => {
      const fee = feeMsat === 0n ? '' : ` and ${formatAmount(feeMsat)} in fees`
      return `${resumed ? 'Had been paid before' : 'Paid'}: ${formatAmount(amountMsat)}${fee} for credential ${credentialId}`
    })
    .join('; ')
}

/** An offer as aligned lines. */
export function describeOffer(offer: Offer): readonly (readonly [string, string])[] {
  return [
    ['price', `${formatAmount(offer.amountMsat)} (and at most ${formatAmount(offer.maxFeeMsat)} in fees)`],
    ['network', offer.network],
    ['payee', offer.payee],
    ['expires', new Date(offer.expiresAt * 1000).toISOString()],
    ...(offer.description === null ? [] : [['for', printable(offer.description)] as const]),
    ...offer.caveats.map((caveat, i) => [i === 0 ? 'caveats' : '', printable(caveat)] as const),
  ]
}
