/** The shape of `turnpike.yaml`: what keys there are and what each may hold. */

import { z } from 'zod'
import { corsSchema } from './cors.ts'
import { forwardAuthSchema } from './forward-auth.ts'
import { bodyLimit, forwardingShape } from './forwarding.ts'
import { addressListShape, economicsShape, policyShape, routePolicyShape } from './limits.ts'
import { matchHeaders } from './match-headers.ts'
import { ratesSchema } from './pricing.ts'
import { list, oneOrMore, section, table } from './section.ts'
import { protocolSchema, upstreamTlsSchema } from './upstream-side.ts'
import {
  amount,
  byteSize,
  challengeLimit,
  cidr,
  duration,
  flag,
  hostName,
  listenAddress,
  oneOf,
  text,
  timerDuration,
  whole,
} from './values.ts'

const RATE = 'an amount per unit such as "5 msat", or per so many such as "1 sat/1000"'
const AMOUNT = 'an amount such as "10 sat" or "1500 msat"'

/** What a metered request costs; what each text may say is the library's to read. */
const chargeSchema = section('what a request costs, e.g. { fixed: 100 msat }', {
  fixed: text(AMOUNT).optional(),
  requestBytes: text(RATE).optional(),
  responseBytes: text(RATE).optional(),
  seconds: text(RATE).optional(),
  header: section('{ name: X-Cost, rate: 10 msat }', {
    name: text('the name of a header line'),
    rate: text(RATE),
  }).optional(),
  json: section('{ field: usage.total_tokens, rate: 2 msat/1000 }', {
    field: text('keys with dots between them, such as usage.total_tokens'),
    rate: text(RATE),
  }).optional(),
  usage: section('{ shape: openai, input: 250 msat/1000, output: 1 sat/1000 }', {
    shape: oneOf(['openai', 'anthropic']),
    input: text(RATE),
    output: text(RATE),
    cachedInput: text(RATE).optional(),
  }).optional(),
  estimate: text(AMOUNT).optional(),
  whenEmpty: oneOf(['finish', 'cut']).optional(),
})

/** What credentials are bound to; what each text may say is the library's to read. */
const conditionsSchema = section('what credentials are bound to, e.g. { rate: 10/1m }', {
  rate: text('requests per time such as "10/1m"').optional(),
  methods: list('a list of methods such as [GET]').optional(),
  paths: list('a list of path patterns such as ["/v1/*"]').optional(),
  ip: z
    .union([z.literal('client'), list('blocks')], { error: () => '"client" or a list of address blocks' })
    .optional(),
  origin: z
    .union([z.literal('client'), list('origins')], { error: () => '"client" or a list of origins' })
    .optional(),
  dpop: flag.optional(),
})

/** The top of the file. Services and their routes are read one by one, so that each names its own faults. */
export const fileSchema = section('keys such as "listen" and "services"', {
  listen: oneOrMore(z.unknown(), 'host:port or a list of them').optional(),
  network: oneOf(['mainnet', 'testnet', 'signet', 'regtest', 'simnet']).optional(),
  // Read in tls.ts.
  tls: z.unknown().optional(),
  lightning: z.unknown().optional(),
  store: text('"memory", "sqlite:FILE", "postgres://…" or "redis://…"').optional(),
  keys: section('a "file" or an "env"', {
    file: oneOrMore(text('a file name'), 'a file name or a list of them').optional(),
    aperture: text('"sqlite:FILE" or "postgres://…"').optional(),
    env: oneOrMore(
      text('the name of an environment variable'),
      'a variable name or a list of them',
    ).optional(),
  }).optional(),
  services: table('a table of services, each with an "upstream" and "routes"'),
  rates: ratesSchema.optional(),
  challenges: section('"limit", "exempt" or "invoiceExpiry"', {
    limit: challengeLimit.optional(),
    exempt: z.array(cidr, { error: () => 'a list of address blocks' }).optional(),
    invoiceExpiry: timerDuration.optional(),
    ...economicsShape,
  }).optional(),
  idempotency: section('"keep" or "maxAnswer"', {
    keep: duration.optional(),
    maxAnswer: byteSize.optional(),
  }).optional(),
  ...addressListShape,
  trustedProxies: z.array(cidr, { error: () => 'a list of address blocks' }).optional(),
  admin: section('a "listen" address', {
    listen: listenAddress.optional(),
    tokenFile: text('a file name').optional(),
  }).optional(),
  forwardAuth: forwardAuthSchema
    .optional()
    .describe('Lets other proxies carry the requests and ask here whether they may go on.'),
  drainTimeout: timerDuration.optional(),
  log: section('a "level"', {
    level: oneOf(['debug', 'info', 'warn', 'error', 'silent']).optional(),
    requests: oneOf(['none', 'problems', 'all']).optional(),
  }).optional(),
})

/** One service. */
export const serviceSchema = section('a table with an "upstream" and "routes"', {
  ...forwardingShape,
  protocol: protocolSchema.optional(),
  upstreamTls: upstreamTlsSchema.optional(),
  tier: whole('a whole number from 0', 0, 2_147_483_647).optional(),
  hosts: oneOrMore(hostName, 'a list of host names').optional(),
  unknownCaveats: oneOf(['skip', 'refuse']).optional(),
  timeout: timerDuration.optional(),
  forwardCredential: flag.optional(),
  conditions: conditionsSchema.optional(),
  ...policyShape,
  ...addressListShape,
  cors: corsSchema
    .optional()
    .describe(
      'Which pages of other origins may read answers, or off. Default: any page may read what it pays for.',
    ),
  routes: z
    .array(z.unknown(), { error: () => 'a list of routes' })
    .min(1, { error: () => 'at least one route: { match: "GET /path", price: 10 sat }' }),
})

/** One route. */
export const routeSchema = section('a route such as { match: "GET /path", price: 10 sat }', {
  match: text('a match such as "GET /forecast/*"'),
  matchHeaders: matchHeaders.optional(),
  free: flag.optional(),
  price: z
    .unknown()
    .optional()
    .describe(
      'What one purchase costs: an amount such as "10 sat", fiat money such as "$0.02" (needs "rates"), or a table with one of hook, grpc, expr, fiat.',
    ),
  grants: section(
    'what the price buys: { calls: 50 }, { valid: 1h }, { credit: 500 sat } or several of them',
    {
      calls: whole('a whole number of calls from 1', 1).optional(),
      valid: duration.optional(),
      credit: amount.optional(),
    },
  ).optional(),
  charge: chargeSchema.optional(),
  conditions: conditionsSchema.optional(),
  capability: text('a text').optional(),
  anyCapability: flag.optional(),
  timeout: timerDuration.optional(),
  bodyLimit: bodyLimit.optional(),
  ...routePolicyShape,
  allowEncodedSlash: flag.optional(),
  keepOverrideHeaders: flag.optional(),
  memo: text('a text').optional(),
})
