/** Credentials that are not enough. */

import { L402Error } from '../../core/errors.ts'
import { errorText, failCall, type Rest, type RestAnswer } from './rest.ts'

/** A fault that says which credential was refused, and what to do. */
function refusedCredential(rest: Rest, what: string, hint: string): L402Error {
  return new L402Error('lightning_unavailable', `${rest.who} refused the ${what}: ${hint}`)
}

/** Whether a credential was refused. */
export function isRefused({ status }: RestAnswer): boolean {
  return status === 401 || status === 403
}

/** Throws where an answer is not a success: 401 and 403 name the credential. */
export function expectOk(
  rest: Rest,
  answer: RestAnswer,
  credential: { readonly what: string; readonly hint: string },
): RestAnswer {
  const { status, body } = answer
  if (status >= 200 && status < 300) return answer
  if (isRefused(answer)) {
    const why = errorText(body)
    throw refusedCredential(
      rest,
      credential.what,
      why === '' ? credential.hint : `${why}; ${credential.hint}`,
    )
  }
  return failCall(rest, answer)
}
