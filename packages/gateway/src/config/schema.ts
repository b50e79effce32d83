/** The shape of `turnpike.yaml`: what keys there are and what each may hold. */

import { z } from 'zod'
import {
  amount,
  challengeLimit,
  cidr,
  duration,
  flag,
  hostName,
  listenAddress,
  oneOf,
  text,
  timerDuration,
  upstreamUrl,
  whole,
} from './values.ts'

/** An object that knows all its keys; the message of an unknown one is the list of those there are. */
function section<const S extends z.core.$ZodLooseShape>(
  expected: string,
  shape: S,
): z.ZodObject<S, z.core.$strict> {
  const known = Object.keys(shape).join(' ')
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? known : expected),
  })
}

/** One value or a list of them. */
function oneOrMore<T extends z.ZodType>(item: T, expected: string): z.ZodPreprocess<z.ZodArray<T>> {
  const list = z.array(item, { error: () => expected }).min(1, { error: () => expected })
  return z.preprocess((value) => (Array.isArray(value) || value === undefined ? value : [value]), list)
}

/** A key of the documented surface that this version does not carry out. */
function notYet(what: string): z.ZodOptional<z.ZodUnknown> {
  return z
    .unknown()
    .superRefine((_, ctx) => {
      ctx.addIssue({
        code: 'custom',
        message: `${what} is not available yet, expected this key to be left out`,
      })
    })
    .optional()
}

const table = (expected: string): z.ZodRecord<z.ZodString, z.ZodUnknown> =>
  z.record(z.string(), z.unknown(), { error: () => expected })

/** The top of the file. Services and their routes are read one by one, so that each names its own faults. */
export const fileSchema = section('keys such as "listen" and "services"', {
  listen: oneOrMore(listenAddress, 'host:port or a list of them').optional(),
  network: oneOf(['mainnet', 'testnet', 'signet', 'regtest', 'simnet']).optional(),
  lightning: z.unknown().optional(),
  store: text('"memory", "sqlite:FILE", "postgres://…" or "redis://…"').optional(),
  keys: section('a "file" or an "env"', {
    file: oneOrMore(text('a file name'), 'a file name or a list of them').optional(),
    env: oneOrMore(
      text('the name of an environment variable'),
      'a variable name or a list of them',
    ).optional(),
  }).optional(),
  services: table('a table of services, each with an "upstream" and "routes"'),
  challenges: section('"limit", "exempt" or "invoiceExpiry"', {
    limit: challengeLimit.optional(),
    exempt: z.array(cidr, { error: () => 'a list of address blocks' }).optional(),
    invoiceExpiry: timerDuration.optional(),
  }).optional(),
  admin: section('a "listen" address', {
    listen: listenAddress.optional(),
    tokenFile: text('a file name').optional(),
  }).optional(),
  drainTimeout: timerDuration.optional(),
  log: section('a "level"', {
    level: oneOf(['debug', 'info', 'warn', 'error', 'silent']).optional(),
    requests: oneOf(['none', 'problems', 'all']).optional(),
  }).optional(),
})

/** One service. */
export const serviceSchema = section('a table with an "upstream" and "routes"', {
  upstream: upstreamUrl,
  tier: whole('a whole number from 0', 0, 2_147_483_647).optional(),
  hosts: oneOrMore(hostName, 'a list of host names').optional(),
  unknownCaveats: oneOf(['skip', 'refuse']).optional(),
  timeout: timerDuration.optional(),
  forwardCredential: flag.optional(),
  routes: z
    .array(z.unknown(), { error: () => 'a list of routes' })
    .min(1, { error: () => 'at least one route: { match: "GET /path", price: 10 sat }' }),
})

/** One route. */
export const routeSchema = section('a route such as { match: "GET /path", price: 10 sat }', {
  match: text('a match such as "GET /forecast/*"'),
  free: flag.optional(),
  price: amount.optional(),
  grants: section('what the price buys: { calls: 50 }, { valid: 1h } or both', {
    calls: whole('a whole number of calls from 1', 1).optional(),
    valid: duration.optional(),
    credit: notYet('buying credit ("grants.credit")'),
  }).optional(),
  charge: notYet('metered charging ("charge")'),
  capability: text('a text').optional(),
  timeout: timerDuration.optional(),
  allowEncodedSlash: flag.optional(),
  keepOverrideHeaders: flag.optional(),
  memo: text('a text').optional(),
})
