/** Whether a credential can go out beside what the user sends, which is never replaced (rule C6). */

import { readMacaroon } from './credential-facts.ts'
import type { Hop } from './hop.ts'
import { standsBeside } from './payment-scheme/carry.ts'
import { chargedIn } from './payment-scheme/charge.ts'
import type { Run } from './run.ts'

/** Takes the text that the books keep: a macaroon's, an opaque token's or a charge's. */
export function canCarry(run: Run, { headers }: Hop, text: string): boolean {
  const charge = chargedIn(text)
  if (charge) return standsBeside(headers, charge)
  if (!headers.has('authorization')) return true
  // protocol V3: a `Macaroon` header, which only a macaroon can stand in
  const { ownAuthorization } = run.options
  return (
    ownAuthorization === 'macaroon-header' && !headers.has('macaroon') && readMacaroon(text) !== undefined
  )
}
