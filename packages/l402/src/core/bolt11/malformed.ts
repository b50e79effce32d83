import { L402Error } from '../errors.ts'

/** The one fault of this folder; the caller throws it. */
export function malformed(expected: string, got: string): L402Error {
  return new L402Error('malformed', `invalid invoice: expected ${expected}, got ${got}`)
}
