/** `charge` and `conditions` of a route: read by the library, their faults told in the words of the file. */

import { formatAmount, isL402Error } from '@turnpike/l402'
import {
  type Charge,
  type ChargeOffer,
  type ConditionsOffer,
  type MintedConditions,
  readCharge,
  readConditions,
} from '@turnpike/l402/server'
import type { Path } from './yaml-source.ts'

/** Told what is wrong, and below which key of the route. */
export type Report = (below: Path, message: string) => void

/** What a route's charge is read from. */
export interface ChargeSource {
  readonly charge?: ChargeOffer | undefined
  readonly grants?: { readonly credit?: bigint | undefined } | undefined
}

/** The charge of a route; `undefined` for one that has none, or a wrong one. Credit and charge go together. */
export function readRouteCharge({ charge: offer, grants }: ChargeSource, report: Report): Charge | undefined {
  const credit = grants?.credit
  if (offer === undefined) {
    if (credit !== undefined)
      report(['grants', 'credit'], 'nothing draws from it, expected a "charge" beside "grants"')
    return undefined
  }
  const charge = attempt(() => readCharge('', offer), ['charge'], report)
  if (credit === undefined)
    report(['charge'], 'nothing to draw from, expected credit, e.g. grants: { credit: 500 sat }')
  else if (charge !== undefined && credit < charge.estimateMsat)
    report(
      ['grants', 'credit'],
      `less than one request reserves, expected at least ${formatAmount(charge.estimateMsat)}`,
    )
  return charge
}

/** The conditions that a route's credentials are minted with; `undefined` for none, or wrong ones. */
export function readRouteConditions(offer: ConditionsOffer, report: Report): MintedConditions | undefined {
  if (Object.keys(offer).length === 0) return undefined
  return attempt(() => readConditions('', offer), ['conditions'], report)
}

function attempt<T>(read: () => T, below: Path, report: Report): T | undefined {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof RangeError) && !isL402Error(error, 'malformed')) throw error
    // `invalid <what> of <where>: expected …`
    const { message } = error
    const at = message.indexOf('expected ')
    // What was got may come from the environment.
    const end = message.lastIndexOf(', got ')
    const subject = /^invalid (\w+) of (?:, )?([\w.]*)/.exec(message)
    const what = subject?.[2] || (subject?.[1] === below[0] ? '' : subject?.[1])
    report(
      below,
      `${what ? `${what} is ` : ''}not right, ${message.slice(Math.max(at, 0), end < at ? undefined : end)}`,
    )
    return undefined
  }
}
