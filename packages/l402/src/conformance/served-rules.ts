/** What was paid for has to be served (protocol §1 S1, §2 V1, §5 rule 4): each other answer, and what to do about it. */

import type { Came } from './ask.ts'
import type { Report } from './finding.ts'

/** The resource came; a redirect is none, nobody knows what it leads to. */
export function isServed({ status }: Pick<Came, 'status'>): boolean {
  return status >= 200 && status < 300
}

/** What {@link Report} takes. */
type Told = Readonly<Parameters<Report>>

const GIVE_BACK = 'Give the use back: the same credential has to work again.'

/** What is wrong where the first request after the payment does not get the resource. */
export function unserved({ status }: Pick<Came, 'status'>): Told {
  const what = `what was paid for is answered ${status}`
  if (status === 0)
    return [
      'error',
      'V1',
      'what was paid for is not answered at all',
      'Serve what was paid for; the credential was not tried further.',
    ]
  if (status === 402 || status === 401)
    return ['error', 'V1', what, 'Take "L402 <macaroon as sent>:<preimage in hex>".']
  if (status >= 500) return ['error', '5.4', what, GIVE_BACK]
  if (status < 400)
    return ['error', 'C7', what, 'Sell where you serve: a credential is not taken wherever a redirect leads.']
  if (status === 403)
    return ['error', 'S1', what, 'Refuse before you sell: 403 is for block lists, which are sold nothing.']
  if (status === 429) return ['warning', 'S10', what, 'Let through at once what was just paid for.']
  // The request itself may be at fault: no such city, a body that lacks something.
  return ['warning', '-', what, 'Ask for what the resource has; refuse the rest before it is sold.']
}

/** What there is to say where what was served once is not served again. */
export function usedUp({ status }: Pick<Came, 'status'>): Told {
  const what = `what was served once is answered ${status} when it is asked for again`
  if (status === 402)
    return [
      'note',
      'V1',
      'the payment buys one request; its other spellings were not tried',
      'Name a route that sells several requests to have them tried.',
    ]
  if (status === 429)
    return [
      'note',
      '5',
      'the credential’s rate is used up; further spellings were not tried',
      'Ask again later.',
    ]
  if (status >= 500) return ['warning', '5.4', what, GIVE_BACK]
  return ['warning', 'S1', what, 'Answer 402 with a fresh challenge where a credential is used up.']
}
