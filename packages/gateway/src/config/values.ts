/**
 * Single values of the file, each a zod schema.
 *
 * A schema's own message is what was *expected*; a message added by hand is a whole sentence. `params.safe` stands in
 * for a sentence that shows the value, where the value came from the environment.
 */

import { isIP } from 'node:net'
import { isL402Error, parseAmount, parseDuration } from '@turnpike/l402'
import { RE2JS } from 're2js'
import { z } from 'zod'
import type { ChallengeLimit, ListenAddress } from './config.ts'

type Context = z.RefinementCtx

function fault(ctx: Context, message: string, safe = message): never {
  ctx.addIssue({ code: 'custom', message, params: { safe } })
  return z.NEVER
}

/** A text, described by what was expected. */
export function text(expected: string): z.ZodString {
  return z.string({ error: () => expected }).min(1, { error: () => expected })
}

/** `true` or `false`. */
export const flag = z.boolean({ error: () => 'true or false' })

/** A whole number. */
export function whole(expected: string, min: number, max: number = Number.MAX_SAFE_INTEGER): z.ZodInt {
  const error = (): string => expected
  return z.int({ error }).min(min, { error }).max(max, { error })
}

/** One of a few words. */
export function oneOf<const T extends readonly [string, ...string[]]>(
  words: T,
): z.ZodEnum<{ [K in T[number]]: K }> {
  const quoted = words.map((word) => `"${word}"`)
  return z.enum(words, { error: () => quoted.join(' or ') })
}

/** A price in millisatoshi, > 0. */
export const amount = z.unknown().transform((value, ctx): bigint => {
  const expected = 'expected an amount such as "10 sat", "1500 msat" or "0.0001 btc"'
  if (typeof value === 'number') {
    return fault(ctx, `${value} has no unit, ${expected}`, `a number without a unit, ${expected}`)
  }
  if (typeof value !== 'string') return fault(ctx, `not an amount, ${expected}`)
  const msat = attempt(() => parseAmount(value))
  if (typeof msat === 'string') return fault(ctx, `not an amount, ${msat}`, `not an amount, ${expected}`)
  if (msat <= 0n) return fault(ctx, 'a price of nothing, expected one above zero (or "free: true")')
  return msat
})

/** A time in whole seconds, > 0. */
export const duration = z.unknown().transform((value, ctx): number => {
  const expected = 'expected a duration such as "30s", "10m", "1h" or "7d"'
  if (typeof value === 'number') {
    return fault(ctx, `${value} has no unit, ${expected}`, `a number without a unit, ${expected}`)
  }
  if (typeof value !== 'string') return fault(ctx, `not a duration, ${expected}`)
  const seconds = attempt(() => parseDuration(value))
  if (typeof seconds === 'string')
    return fault(ctx, `not a duration, ${seconds}`, `not a duration, ${expected}`)
  return seconds
})

/** A duration that timers can hold (24 days). */
export const timerDuration = duration.transform((seconds, ctx): number =>
  seconds > 2_147_483 ? fault(ctx, 'too long, expected at most 24d') : seconds,
)

const BYTES: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1_048_576 }

/** A number of bytes, up to 16 MiB. */
export const byteSize = z.unknown().transform((value, ctx): number => {
  const expected = 'expected a size such as "256 KiB" or "1 MiB", at most 16 MiB'
  if (typeof value === 'number')
    return fault(ctx, `${value} has no unit, ${expected}`, `a number without a unit, ${expected}`)
  const parts = typeof value === 'string' ? /^([0-9]{1,9}) ?(B|KiB|MiB)$/.exec(value) : null
  const bytes = Number(parts?.[1]) * (BYTES[parts?.[2] ?? ''] ?? Number.NaN)
  return bytes <= 16 * 1_048_576 ? bytes : fault(ctx, `not a size, ${expected}`)
})

/** What was parsed, or the parser's own words (`expected …; got …`), which may show the value. */
function attempt<T extends bigint | number>(parse: () => T): T | string {
  try {
    return parse()
  } catch (error) {
    if (isL402Error(error, 'malformed')) return error.message.replace(/^invalid [a-z]+: /, '')
    throw error
  }
}

/** `60/1m`, or `off`. */
export const challengeLimit = z.unknown().transform((value, ctx): ChallengeLimit | null => {
  const expected = 'expected a number of challenges per time such as "60/1m", or "off"'
  if (value === 'off') return null
  const parts = typeof value === 'string' ? /^([0-9]{1,9})\/(.+)$/.exec(value) : null
  const count = Number(parts?.[1] ?? 0)
  const window = attempt(() => parseDuration(parts?.[2] ?? ''))
  if (count === 0 || typeof window === 'string') return fault(ctx, `not a limit, ${expected}`)
  return { count, windowSeconds: window }
})

/** `host:port`. */
export const listenAddress = z.unknown().transform((value, ctx): ListenAddress => {
  const expected = 'expected host:port such as 127.0.0.1:8402 (port 0: any free one)'
  const parts = typeof value === 'string' ? /^(?:\[([^\]]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(value) : null
  if (parts === null) {
    const hint =
      typeof value === 'string' && value.startsWith(':') ? ` (0.0.0.0${value}: every interface)` : ''
    return fault(ctx, `not an address, ${expected}${hint}`, `not an address, ${expected}`)
  }
  const host = (parts[1] ?? parts[2] ?? '').toLowerCase()
  const port = Number(parts[3])
  const good = parts[1] !== undefined ? isIP(host) === 6 : isIP(host) === 4 || isHostName(host)
  if (!good || port > 65_535) return fault(ctx, `not an address, ${expected}`)
  return { host, port }
})

/** A block of addresses. */
export const cidr = z.unknown().transform((value, ctx): string => {
  const expected = 'expected a block of addresses such as 127.0.0.1/32 or 2001:db8::/48'
  const parts = typeof value === 'string' ? /^([0-9A-Fa-f.:]+)\/(0|[1-9][0-9]{0,2})$/.exec(value) : null
  const family = isIP(parts?.[1] ?? '')
  if (parts === null || family === 0 || Number(parts[2]) > (family === 4 ? 32 : 128)) {
    return fault(ctx, `not a block of addresses, ${expected}`)
  }
  return parts[0].toLowerCase()
})

/** A name in the `Host` line, with a port or without. Answers it as it is compared: lower case, punycode. */
const hostName = z.unknown().transform((value, ctx): string => {
  const expected = 'expected a host name such as api.example.com, with a port or without'
  const plain = typeof value === 'string' && /^[^\s/?#@\\%]+$/.test(value)
  const url = plain ? URL.parse(`http://${value}/`) : null
  if (
    url === null ||
    (!url.hostname.startsWith('[') && isIP(url.hostname) === 0 && !isHostName(url.hostname))
  ) {
    return fault(ctx, `not a host name, ${expected}`)
  }
  // URL drops the scheme's own port; what was written counts.
  return /:0*80$/.test(String(value)) ? `${url.hostname}:80` : url.host
})

/** A {@link hostName}, or `~` and an RE2 expression, which is answered as it is. */
export const hostPattern = z.unknown().transform((value, ctx): string => {
  if (typeof value !== 'string' || !value.startsWith('~')) {
    const name = hostName.safeParse(value)
    if (name.success) return name.data
    const [issue] = name.error.issues
    return fault(ctx, issue?.message ?? 'not a host name')
  }
  if (value.length > 1 && value.length <= 1024 && attemptExpression(value.slice(1))) return value
  const expected = 'expected "~" and an RE2 expression of the whole Host line, such as "~.*[.]example[.]com"'
  return fault(ctx, `not an expression that can be used, ${expected}`)
})

function attemptExpression(source: string): boolean {
  try {
    RE2JS.compile(source)
    return true
  } catch {
    return false
  }
}

/** Where requests go: an origin, perhaps with a path before it. The answer has no slash at its end. */
export const upstreamUrl = z.unknown().transform((value, ctx): string => {
  const expected =
    'expected an address such as http://127.0.0.1:9000 (https:// and h2c:// too), or "sample" (the built-in sample API)'
  if (value === 'sample') return value
  if (typeof value !== 'string') return fault(ctx, `not an upstream, ${expected}`)
  const url = /^(?:https?|h2c):\/\/[^\s\\]+$/i.test(value)
    ? URL.parse(value.replace(/^h2c:/i, 'http:'))
    : null
  if (url === null) return fault(ctx, `not an upstream, ${expected}`)
  if (url.username !== '' || url.password !== '') {
    return fault(ctx, 'an upstream with a user name or password in it, expected an address without')
  }
  if (/[?#]/.test(value))
    return fault(ctx, 'an upstream with a query or fragment, expected an address without')
  if (!/^(?:\/[A-Za-z0-9._~!$&'()*+,;=:@-]+)*\/?$/.test(url.pathname)) {
    return fault(ctx, 'an upstream whose path has empty or encoded parts, expected a plain path prefix')
  }
  const origin = /^h2c:/i.test(value) ? url.origin.replace('http:', 'h2c:') : url.origin
  return `${origin}${url.pathname.replace(/\/$/, '')}`
})

function isHostName(name: string): boolean {
  return (
    name.length <= 253 &&
    /^(?=.*[a-z])[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*\.?$/.test(name)
  )
}
