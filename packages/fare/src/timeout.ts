import { L402Error, parseDuration } from '@turnpike/l402'

/** No timer runs for much longer. */
const MOST_SECONDS = 24 * 86_400

/**
 * Milliseconds of a time-out such as `60s`.
 *
 * @throws {L402Error} `malformed` for what is no duration, and for more than 24 days.
 */
export function parseTimeout(text: string): number {
  const seconds = parseDuration(text)
  if (seconds > MOST_SECONDS) throw new L402Error('malformed', 'invalid time-out: expected at most 24d')
  return seconds * 1000
}
