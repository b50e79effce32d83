/** Where the requests of a service go, and what is changed about them on the way. */

import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'
import type { Ejection, HealthCheck } from '../proxy/index.ts'
import { type HeaderLinesConfig, headers, readHeaderLines } from './header-values.ts'
import type { Report } from './metered.ts'
import { oneOrMore, section } from './section.ts'
import { oneOf, text, timerDuration, upstreamUrl, whole } from './values.ts'

const UNITS: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }

/** A number of bytes of a body. */
export const bodyLimit: z.ZodType<number> = z
  .unknown()
  .transform((value, ctx): number => {
    const expected = 'expected a size such as "64 KiB", "1 MiB" or "2 GiB"'
    const parts = typeof value === 'string' ? /^([0-9]{1,9}) ?(B|KiB|MiB|GiB)$/.exec(value) : null
    const bytes = Number(parts?.[1]) * (UNITS[parts?.[2] ?? ''] ?? Number.NaN)
    if (Number.isSafeInteger(bytes)) return bytes
    const what = typeof value === 'number' ? `${value} has no unit` : 'not a size'
    const safe = `not a size, ${expected}`
    ctx.addIssue({ code: 'custom', message: `${what}, ${expected}`, params: { safe } })
    return z.NEVER
  })
  .describe(
    'Most bytes of a request’s body; a longer one is answered with 413 and not charged (default: any number).',
  )

const UPSTREAM = 'an address such as http://127.0.0.1:9000 or a list of them, or "static" with a folder'

/** The keys of a service that are read here. */
export const forwardingShape = {
  upstream: oneOrMore(upstreamUrl, UPSTREAM)
    .describe(
      'Where requests go: an address, perhaps with a path, a list of them, or "sample" for the built-in sample API.',
    )
    .optional(),
  static: text('the name of a folder')
    .describe('A folder whose files are served in place of an upstream: GET and HEAD, no dot files.')
    .optional(),
  balance: oneOf(['round-robin', 'least-busy'])
    .describe(
      'How one of several upstreams is picked: in turn (default), or the one with the fewest running requests.',
    )
    .optional(),
  health: section('a "path" to ask each upstream for', {
    path: text('a path such as /healthz').describe(
      'Asked with GET, from the root of the upstream’s host; a status from 200 to 399 is well.',
    ),
    interval: timerDuration.describe('Time between two checks (default 10s).').optional(),
    timeout: timerDuration.describe('How long one check may take (default 2s).').optional(),
    failAfter: whole('a whole number from 1', 1, 1000)
      .describe('So many failed checks in a row and the upstream gets no requests (default 3).')
      .optional(),
    passAfter: whole('a whole number from 1', 1, 1000)
      .describe('So many good checks in a row and it gets them again (default 2).')
      .optional(),
  })
    .describe('Active checks of each upstream.')
    .optional(),
  retries: whole('a whole number from 0 to 10', 0, 10)
    .describe(
      'How many more times a request is sent of which nothing could have arrived, to another upstream if there is one (default 1 with several upstreams, else 0).',
    )
    .optional(),
  eject: section('{ failures: 5, for: 30s }', {
    failures: whole('a whole number from 1', 1, 1000)
      .describe('So many requests in a row without an answer and the upstream is left out (default 5).')
      .optional(),
    for: timerDuration.describe('How long it is left out (default 30s).').optional(),
  })
    .describe('When one of several upstreams is left out for a while because requests to it failed.')
    .optional(),
  rewrite: section('a "prefix" or a "stripPrefix"', {
    prefix: text('a path such as /api')
      .describe('Put before the path that goes upstream, after matching.')
      .optional(),
    stripPrefix: text('a path such as /v1')
      .describe('Cut off the front of the path that goes upstream, after matching and before "prefix".')
      .optional(),
  })
    .describe('What is changed about the path on the way to the upstream.')
    .optional(),
  headers: headers.describe('Header lines that are set and removed.').optional(),
  bodyLimit: bodyLimit.optional(),
}

type Offer = z.infer<z.ZodObject<typeof forwardingShape>>

/** Where requests of a service go. */
export interface ForwardingConfig {
  /** Each `http://host:port/prefix` without a slash at the end, or `sample`; empty with `staticFolder`. */
  readonly upstreams: readonly string[]
  /** Absolute. */
  readonly staticFolder: string | undefined
  readonly balance: 'round-robin' | 'least-busy'
  readonly retries: number
  readonly health: HealthCheck | undefined
  readonly eject: Ejection | undefined
  /** Starts with a slash and does not end with one, or is empty. */
  readonly rewritePrefix: string
  readonly stripPrefix: string
  readonly requestHeaders: HeaderLinesConfig | undefined
  readonly answerHeaders: HeaderLinesConfig | undefined
}

/** Reads these keys of a service. Reports everything that is wrong. */
export function readForwarding(
  offer: Offer,
  { folder, report }: { readonly folder: string; readonly report: Report },
): ForwardingConfig {
  const upstreams = offer.upstream ?? []
  checkDestination(offer, report)
  const staticFolder = offer.static === undefined ? undefined : resolve(folder, offer.static)
  if (staticFolder !== undefined && !isFolder(staticFolder))
    report(['static'], 'no such folder, expected one that is there and can be read')
  const { health, eject } = offer
  if (health !== undefined && !/^\/[\x21-\x22\x24-\x7e]*$/.test(health.path))
    report(['health', 'path'], 'not a path, expected one such as /healthz')
  const [intervalSeconds, timeoutSeconds] = [health?.interval ?? 10, health?.timeout ?? 2]
  if (timeoutSeconds > intervalSeconds) {
    const key = health?.timeout === undefined ? 'interval' : 'timeout'
    report(
      ['health', key],
      `the timeout (${timeoutSeconds}s) is longer than the interval, expected at most ${intervalSeconds}s`,
    )
  }
  return {
    upstreams,
    staticFolder,
    balance: offer.balance ?? 'round-robin',
    retries: offer.retries ?? (upstreams.length > 1 ? 1 : 0),
    health:
      health === undefined
        ? undefined
        : {
            path: health.path,
            intervalMs: intervalSeconds * 1000,
            timeoutMs: timeoutSeconds * 1000,
            failAfter: health.failAfter ?? 3,
            passAfter: health.passAfter ?? 2,
          },
    eject:
      eject === undefined ? undefined : { failures: eject.failures ?? 5, forMs: (eject.for ?? 30) * 1000 },
    rewritePrefix: readPrefix(offer.rewrite?.prefix, 'prefix', report),
    stripPrefix: readPrefix(offer.rewrite?.stripPrefix, 'stripPrefix', report),
    requestHeaders: readHeaderLines(offer.headers?.request, { direction: 'request', folder, report }),
    answerHeaders: readHeaderLines(offer.headers?.response, { direction: 'response', folder, report }),
  }
}

function checkDestination(offer: Offer, report: Report): void {
  const { upstream } = offer
  if (upstream === undefined && offer.static === undefined)
    report([], `the key "upstream" is missing, expected ${UPSTREAM}`)
  if (offer.static !== undefined) {
    for (const key of ['upstream', 'balance', 'health', 'retries', 'eject'] as const) {
      if (offer[key] !== undefined)
        report([key], `a service with "static" asks no upstream, expected no "${key}"`)
    }
    if (offer.headers?.request !== undefined)
      report(['headers', 'request'], 'a service with "static" asks no upstream, expected "response" alone')
    return
  }
  if (upstream === undefined) return
  for (const [index, url] of upstream.entries()) {
    if (upstream.indexOf(url) < index)
      report(['upstream', index], 'stands there twice, expected each upstream once')
  }
  if (upstream.length > 1) return
  for (const key of ['balance', 'eject'] as const) {
    if (offer[key] !== undefined)
      report([key], `there is one upstream, expected a list of them beside "${key}"`)
  }
}

function readPrefix(prefix: string | undefined, key: 'prefix' | 'stripPrefix', report: Report): string {
  if (prefix === undefined) return ''
  const good = /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+)+\/?$/.test(prefix)
  if (!good)
    report(
      ['rewrite', key],
      'invalid prefix format, expected a plain absolute path such as /api, without host, query, fragment or encoded parts',
    )
  return prefix.replace(/\/$/, '')
}

function isFolder(name: string): boolean {
  try {
    return statSync(name).isDirectory()
  } catch {
    return false
  }
}
