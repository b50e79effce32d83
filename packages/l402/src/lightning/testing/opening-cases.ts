/** Set-up: what is wrong is said before anything is made or paid. */

import { isL402Error } from '../../core/errors.ts'
import type { Bench, CaseBody } from './cases.ts'
import { expectThat, rejection } from './expect.ts'

type Wrong = keyof NonNullable<Bench['it']['open']>

function opening(name: string, wrong: Wrong, says: RegExp): CaseBody {
  return {
    name,
    of: 'either',
    async run({ it }) {
      const open = it.open?.[wrong]
      if (open === undefined) return 'it has no such setting, or none that can be tried here'
      const error = await rejection(open(), name)
      const named = isL402Error(error, 'lightning_unavailable') || isL402Error(error, 'lightning_invalid')
      expectThat(named, `lightning_unavailable or lightning_invalid, got ${String(error)}`)
      const { message } = error as Error
      expectThat(says.test(message), `a message like ${says}, got "${message}"`)
      expectNoSecret(it.secrets, error)
      return undefined
    },
  }
}

/** No secret of the set-up, and no preimage, in an error or anything below it. */
export function expectNoSecret(secrets: readonly string[] | undefined, error: unknown): void {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const text = `${at.message} ${at.stack ?? ''} ${JSON.stringify(at)}`
    for (const secret of secrets ?? []) expectThat(!text.includes(secret), 'no secret in an error')
  }
}

export const openingCases: readonly CaseBody[] = [
  opening('says at start that its credential is no good', 'wrongCredential', /refused|denied|not allowed/i),
  opening('says at start that it is on another network', 'wrongNetwork', /is on \w+, expected \w+/),
  opening('says at start that the certificate is not the pinned one', 'otherCertificate', /certificate/),
  opening('says at start that nobody answers', 'nobody', /nothing answers/),
]
