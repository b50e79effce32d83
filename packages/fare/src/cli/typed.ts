import { L402Error, parseDuration } from '@turnpike/l402'
import { UsageError } from './usage-error.ts'

/**
 * A time as typed: a date (`2026-11-28`, `2026-11-28T10:00Z`) or a duration, which counts from now into the past, or
 * `ahead` into the future. Unix milliseconds.
 *
 * @throws UsageError naming the flag.
 */
export function typedTime(flag: string, text: string, { ahead }: { readonly ahead: boolean }): number {
  const now = Date.now()
  if (/^\d{4}-\d{2}-\d{2}/.test(text)) {
    // A date alone is UTC, as in everything that is shown.
    const zoned = /T/.test(text) && !/(Z|[+-]\d{2}:\d{2})$/.test(text) ? `${text}Z` : text
    const at = Date.parse(zoned.replace(' ', 'T'))
    if (Number.isNaN(at)) throw new UsageError(`${flag}: expected a date such as 2026-11-28, got "${text}"`)
    if (ahead && at <= now)
      throw new UsageError(`${flag}: expected a time that is still to come, got "${text}"`)
    return at
  }
  try {
    return ahead ? now + parseDuration(text) * 1000 : now - parseDuration(text) * 1000
  } catch (error) {
    if (!(error instanceof L402Error)) throw error
    throw new UsageError(`${flag}: expected a time such as 1d, 2h or 2026-11-28, got "${text}"`)
  }
}

/** A tag of payments: at most 64 characters, none of them invisible. Throws {@link UsageError}. */
export function typedTask(text: string): string {
  if (text === '' || [...text].length > 64 || /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text))
    throw new UsageError('--task: expected a tag of 1 to 64 visible characters')
  return text
}
