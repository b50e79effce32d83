/** The shape of `turnpike.yaml`: what keys there are and what each may hold. */

import { z } from 'zod'
import { compatSchema, mintsSchema } from './compat.ts'
import { corsSchema } from './cors.ts'
import { discoverySchema } from './discovery.ts'
import { forwardAuthSchema } from './forward-auth.ts'
import { bodyLimit, forwardingShape } from './forwarding.ts'
import { addressListShape, economicsShape, policyShape, routePolicyShape } from './limits.ts'
import { matchHeaders } from './match-headers.ts'
import { accessShape, tracingSchema } from './observing.ts'
import { pageSchema, servicePageSchema } from './page.ts'
import { ratesSchema } from './pricing.ts'
import { workersSchema } from './processes.ts'
import { list, oneOrMore, section, table } from './section.ts'
import { sessionsSchema } from './sessions.ts'
import { protocolSchema, upstreamTlsSchema } from './upstream-side.ts'
import {
  amount,
  byteSize,
  challengeLimit,
  cidr,
  duration,
  flag,
  hostPattern,
  listenAddress,
  oneOf,
  text,
  timerDuration,
  whole,
} from './values.ts'
import { webhookSchema } from './webhooks.ts'

const RATE = 'an amount per unit such as "5 msat", or per so many such as "1 sat/1000"'
const AMOUNT = 'an amount such as "10 sat" or "1500 msat"'

/** What a metered request costs; what each text may say is the library's to read. */
const chargeSchema = section('what a request costs, e.g. { fixed: 100 msat }', {
  fixed: text(AMOUNT).optional().describe('Each request.'),
  requestBytes: text(RATE).optional().describe('Bytes of the request’s body.'),
  responseBytes: text(RATE).optional().describe('Bytes of the answer’s body, as transferred.'),
  events: text(RATE).optional().describe('Server-sent events of the answer; any other answer is one.'),
  seconds: text(RATE).optional().describe('Seconds from the answer’s first byte to its last.'),
  header: section('{ name: X-Cost, rate: 10 msat }', {
    name: text('the name of a header line').describe('The header line.'),
    rate: text(RATE).describe('What each of that number costs.'),
  })
    .optional()
    .describe('A number in a header line of the answer.'),
  json: section('{ field: usage.total_tokens, rate: 2 msat/1000 }', {
    field: text('keys with dots between them, such as usage.total_tokens').describe(
      'Where the number stands.',
    ),
    rate: text(RATE).describe('What each of that number costs.'),
  })
    .optional()
    .describe('A number in the answer’s JSON body.'),
  usage: section('{ shape: openai, input: 250 msat/1000, output: 1 sat/1000 }', {
    shape: oneOf(['openai', 'anthropic']).describe('Whose usage object it is.'),
    input: text(RATE).describe('Tokens of the request.'),
    output: text(RATE).describe('Tokens of the answer.'),
    cachedInput: text(RATE)
      .optional()
      .describe('Tokens of the request that were cached; as input if left out.'),
  })
    .optional()
    .describe('Tokens in the last usage object of a JSON body or event stream.'),
  estimate: text(AMOUNT)
    .optional()
    .describe('Reserved before the upstream is asked, and charged where the cost cannot be measured.'),
  whenEmpty: oneOf(['finish', 'cut'])
    .optional()
    .describe(
      'An answer that costs more than is left: finish it and record the rest as lost (the default), or cut it off.',
    ),
})

/** What credentials are bound to; what each text may say is the library's to read. */
const conditionsSchema = section('what credentials are bound to, e.g. { rate: 10/1m }', {
  rate: text('requests per time such as "10/1m"')
    .optional()
    .describe('At most so many requests in any such time.'),
  methods: list('a list of methods such as [GET]').optional().describe('The methods it is good for.'),
  paths: list('a list of path patterns such as ["/v1/*"]')
    .optional()
    .describe('The paths it is good for, as the router matched them.'),
  ip: z
    .union([z.literal('client'), list('blocks')], { error: () => '"client" or a list of address blocks' })
    .optional()
    .describe('The address of the buyer, or blocks that requests must come from.'),
  origin: z
    .union([z.literal('client'), list('origins')], { error: () => '"client" or a list of origins' })
    .optional()
    .describe('The origin of the buyer’s page, or those that requests must come from.'),
  dpop: flag
    .optional()
    .describe('Bound to the key whose proof (RFC 9449) the unpaid request carries. Default false.'),
})

/** The top of the file. Services and their routes are read one by one, so that each names its own faults. */
export const fileSchema = section('keys such as "listen" and "services"', {
  listen: oneOrMore(z.unknown(), 'host:port or a list of them')
    .optional()
    .describe(
      'Where buyers come in: host:port, a table, or a list of them; port 0 is any free one. Default 127.0.0.1:8402.',
    ),
  network: oneOf(['mainnet', 'testnet', 'signet', 'regtest', 'simnet'])
    .optional()
    .describe('Refuse to run on another network than this. Default: the backend’s own.'),
  // Read in tls.ts.
  tls: z.unknown().optional().describe('The certificate of the addresses above.'),
  lightning: z
    .unknown()
    .optional()
    .describe(
      'Who makes the invoices: sandbox, or a table with a backend and its settings (docs/lightning.md), or a list of them, asked in order.',
    ),
  store: text('"memory", "sqlite:FILE", "postgres://…" or "redis://…"')
    .optional()
    .describe('The books: memory, sqlite:FILE, postgres://… or redis://…. Default sqlite:turnpike.db.'),
  keys: section('a "file" or an "env"', {
    file: oneOrMore(text('a file name'), 'a file name or a list of them')
      .optional()
      .describe('Key files, readable by their owner alone. Default turnpike.key.'),
    aperture: text('"sqlite:FILE" or "postgres://…"')
      .optional()
      .describe('Aperture’s database: what was sold there opens here too.'),
    env: oneOrMore(text('the name of an environment variable'), 'a variable name or a list of them')
      .optional()
      .describe('Environment variables that hold a key in base64.'),
  })
    .optional()
    .describe('The master keys that credentials are made with.'),
  services: table('a table of services, each with an "upstream" and "routes"').describe(
    'What is sold, by service; the name stands in the credentials that are sold.',
  ),
  rates: ratesSchema
    .optional()
    .describe('Where the rate of fiat money comes from, for prices such as "$0.02".'),
  challenges: section('"limit", "exempt" or "invoiceExpiry"', {
    limit: challengeLimit
      .optional()
      .describe('Unpaid challenges per client network (/24 or /48) and time, or off. Default 60/1m.'),
    exempt: z
      .array(cidr, { error: () => 'a list of address blocks' })
      .optional()
      .describe(
        'Address blocks that are not limited. Default: none, or this machine where "challenges" is left out.',
      ),
    invoiceExpiry: timerDuration.optional().describe('How long an invoice can be paid. Default 10m.'),
    ...economicsShape,
  })
    .optional()
    .describe('What unpaid requests may cost the node.'),
  idempotency: section('"keep" or "maxAnswer"', {
    keep: duration.optional().describe('How long answers are kept. Default 1d.'),
    maxAnswer: byteSize.optional().describe('The largest body that is kept. Default 256 KiB.'),
  })
    .optional()
    .describe('Answers that are kept for requests that come again with the same Idempotency-Key.'),
  ...addressListShape,
  trustedProxies: z
    .array(cidr, { error: () => 'a list of address blocks' })
    .optional()
    .describe('Address blocks of the proxies in front, whose word about the client counts. Default: none.'),
  admin: section('a "listen" address', {
    listen: listenAddress.optional().describe('Where it listens. Default 127.0.0.1:8403.'),
    tokenFile: text('a file name')
      .optional()
      .describe('File with the bearer tokens of the admin API, which is closed without.'),
  })
    .optional()
    .describe('The second listener: health, metrics, admin API. Never public.'),
  webhooks: z
    .array(webhookSchema, { error: () => 'a list of receivers' })
    .optional()
    .describe('Receivers of messages about sales (Standard Webhooks). Default: none.'),
  journal: section('a time to "keep" sales', {
    keep: duration.optional().describe('How long sales, and what operators did, are kept. Default 365d.'),
    openInvoices: whole('a whole number from 0 to 100000', 0, 100_000)
      .optional()
      .describe(
        'Most unpaid invoices that are remembered until they end, so that one paid while the gateway is down is known after its restart and not only when it is redeemed. Default 0: nothing is written before a payment (rule S10).',
      ),
  })
    .optional()
    .describe('The record of what was sold, in the store.'),
  compat: compatSchema.optional(),
  discovery: discoverySchema
    .optional()
    .describe('The documents that tell what is sold, or off. Default: they are served.'),
  paymentScheme: z
    .enum(['asked', 'always', 'off'], { error: () => 'asked, always or off' })
    .optional()
    .describe(
      'Whether the Payment scheme (MPP) is offered beside L402, on the same invoice, over TLS and on this machine: to clients that send Accept-Payment, to all, or to none. Default asked.',
    ),
  sessions: sessionsSchema
    .optional()
    .describe(
      'Sessions of the Payment scheme: a deposit that requests draw on, where a route sells several calls or credit; or off.',
    ),
  forwardAuth: forwardAuthSchema
    .optional()
    .describe('Lets other proxies carry the requests and ask here whether they may go on.'),
  drainTimeout: timerDuration
    .optional()
    .describe('How long running requests may take to finish when the gateway stops. Default 30s.'),
  log: section('a "level"', {
    level: oneOf(['debug', 'info', 'warn', 'error', 'silent'])
      .optional()
      .describe('From which level on there are lines. Default info.'),
    requests: oneOf(['none', 'problems', 'all'])
      .optional()
      .describe('Which requests get a line. Default problems: those answered with 400 and above.'),
    ...accessShape,
  })
    .optional()
    .describe('The log, on standard error, and the access log.'),
  tracing: tracingSchema.optional().describe('Traces over OTLP. Default: none are made.'),
  workers: workersSchema.optional(),
  page: pageSchema.optional(),
})

/** One service. */
export const serviceSchema = section('a table with an "upstream" and "routes"', {
  ...forwardingShape,
  protocol: protocolSchema.optional(),
  upstreamTls: upstreamTlsSchema
    .optional()
    .describe('How the certificate of an https upstream is checked, and which one is shown to it.'),
  tier: whole('a whole number from 0', 0, 2_147_483_647)
    .optional()
    .describe('The grade of the service that its credentials open. Default 0.'),
  hosts: oneOrMore(hostPattern, 'a list of host names')
    .optional()
    .describe(
      'Host names it is for, with a port or without; or "~" and an RE2 expression of the whole Host line. Default: every host that no service names.',
    ),
  unknownCaveats: oneOf(['skip', 'refuse'])
    .optional()
    .describe('What to do with conditions this version does not know. Default skip.'),
  timeout: timerDuration
    .optional()
    .describe(
      'How long the upstream may take to its first byte; then 504, and nothing is charged. Default 30s.',
    ),
  forwardCredential: flag
    .optional()
    .describe('Whether the upstream gets the credential lines too. Default false.'),
  mints: mintsSchema.optional(),
  conditions: conditionsSchema.optional().describe('What all its credentials are bound to.'),
  ...policyShape,
  ...addressListShape,
  cors: corsSchema
    .optional()
    .describe(
      'Which pages of other origins may read answers, or off. Default: any page may read what it pays for.',
    ),
  description: text('a text').optional().describe('What it is, for the discovery documents.'),
  openapi: text('a file name')
    .optional()
    .describe('The upstream’s own OpenAPI 3 document, JSON or YAML, that the gateway’s is merged into.'),
  hidden: flag
    .optional()
    .describe('Whether the discovery documents leave it out, prices and all. Default false.'),
  page: servicePageSchema.optional(),
  memo: text('a text')
    .optional()
    .describe('The description of invoices, of routes without a "memo" of their own.'),
  routes: z
    .array(z.unknown(), { error: () => 'a list of routes' })
    .min(1, { error: () => 'at least one route: { match: "GET /path", price: 10 sat }' })
    .describe('Its routes, in the order they match. What none matches is 404.'),
})

/** One route. */
export const routeSchema = section('a route such as { match: "GET /path", price: 10 sat }', {
  match: text('a match such as "GET /forecast/*"').describe(
    '[METHOD[,METHOD]] PATH: "*" is one segment, "/*" at the end the rest, "~…" an RE2 expression of the whole path.',
  ),
  matchHeaders: matchHeaders.optional(),
  free: flag.optional().describe('Passes without a credential. Default false.'),
  price: z
    .unknown()
    .optional()
    .describe(
      'What one purchase costs: an amount such as "10 sat", fiat money such as "$0.02" (needs "rates"), or a table with one of hook, grpc, expr, fiat.',
    ),
  grants: section(
    'what the price buys: { calls: 50 }, { valid: 1h }, { credit: 500 sat } or several of them',
    {
      calls: whole('a whole number of calls from 1', 1).optional().describe('So many requests.'),
      valid: duration.optional().describe('Any number of requests for so long.'),
      credit: amount.optional().describe('So much on an account; needs a charge.'),
    },
  )
    .optional()
    .describe('What the price buys; whichever ends first ends the credential. Default: one call.'),
  charge: chargeSchema
    .optional()
    .describe('What each request draws from the credit; the parts add up. A rate is AMOUNT or AMOUNT/UNITS.'),
  conditions: conditionsSchema
    .optional()
    .describe('What its credentials are bound to, besides those of the service.'),
  capability: text('a text')
    .optional()
    .describe(
      'What a credential must hold here; routes that share one open with one payment. Default: the match.',
    ),
  anyCapability: flag.optional().describe('Opens for every credential of the service. Default false.'),
  timeout: timerDuration.optional().describe('Instead of the service’s.'),
  bodyLimit: bodyLimit.optional(),
  ...routePolicyShape,
  allowEncodedSlash: flag.optional().describe('Takes %2F in the path; otherwise it is 400. Default false.'),
  keepOverrideHeaders: flag
    .optional()
    .describe('Lets X-HTTP-Method-Override and the like through. Default false.'),
  memo: text('a text')
    .optional()
    .describe(
      'The invoice’s description; {service}, {route}, {method}, {path} and {host} stand for those of the request. Requests whose descriptions differ share no invoice. Default: the service’s, else service and match.',
    ),
  hold: flag
    .optional()
    .describe(
      'Paid on delivery: the node holds the payment until the answer is there, and gives it back where there is none. One call, a fixed price. Default false.',
    ),
  hidden: flag.optional().describe('Whether the discovery documents leave it out. Default false.'),
})
