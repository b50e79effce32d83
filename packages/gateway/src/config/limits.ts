/** What is given away, limited, denied or only watched: the keys for it and what they come to. Plain data throughout. */

import { deniedBy, routePolicy, type ServicePolicyOffer } from '@turnpike/l402/server'
import { z } from 'zod'
import { routeMatch } from './match.ts'
import type { Report } from './metered.ts'
import { challengeLimit, cidr, duration, flag, oneOf, text, whole } from './values.ts'

/** One rate as it stands in the file. */
interface RateLimitConfig {
  readonly match?: string | undefined
  readonly requests: string
  readonly burst?: number | undefined
  readonly per: 'token' | 'address' | 'route'
}

/** What a service or route gives away and limits, as it stands in the file. */
export interface PolicyConfig {
  readonly freebie?: string | undefined
  readonly rateLimits?: readonly RateLimitConfig[] | undefined
}

/** The same on one route. */
export interface RoutePolicyConfig extends PolicyConfig {
  readonly skipInvoice?: boolean | undefined
  readonly shadow?: boolean | undefined
}

/** CIDR blocks; `allow` left out: everybody who is not blocked. */
export interface AddressListConfig {
  readonly block: readonly string[]
  readonly allow: readonly string[] | undefined
}

const NUMBER_PER_TIME = 'a number per time such as "5/1d"'

const rateLimitSchema = z.strictObject(
  {
    match: text('a match such as "GET /forecast/*"')
      .optional()
      .describe(
        'The requests the rate is for, [METHOD[,METHOD]] PATH. Default: all of the route or service.',
      ),
    requests: text('requests per time such as "10/1s"').describe(
      'How many requests per time go through, e.g. 10/1s. Beyond it 429 with Retry-After.',
    ),
    burst: whole('a whole number of requests from 1', 1, 999_999_999)
      .optional()
      .describe('Most requests at once. Default: as many as "requests" says.'),
    per: oneOf(['token', 'address', 'route']).describe(
      'What is counted by: the credential, the client network (/24 or /48, unpaid requests too), or all together.',
    ),
  },
  {
    error: (issue) =>
      issue.code === 'unrecognized_keys' ? 'match requests burst per' : '{ requests: 10/1s, per: token }',
  },
)

/** Keys of services and routes. */
export const policyShape = {
  freebie: text(NUMBER_PER_TIME)
    .optional()
    .describe(
      'Requests that each client network (/24 or /48) has for nothing, e.g. 5/1d; on a service, of its paid routes together. Default: none.',
    ),
  rateLimits: z
    .array(rateLimitSchema, { error: () => 'a list of rates such as { requests: 10/1s, per: token }' })
    .optional()
    .describe('Rates; a request must be within all of them, or none counts it. Default: none.'),
} as const

/** Keys of routes. */
export const routePolicyShape = {
  ...policyShape,
  skipInvoice: flag
    .optional()
    .describe('Sells nothing: without a valid credential 401, and no invoice is made. Default false.'),
  shadow: flag.optional().describe('Decides and counts everything, and refuses nothing. Default false.'),
} as const

const blocks = z.array(cidr, { error: () => 'a list of address blocks' })

/** Keys of the top level and of services. */
export const addressListShape = {
  block: blocks.optional().describe('Address blocks (CIDR) that get 403, paid or not. Default: none.'),
  allow: blocks
    .optional()
    .describe('Address blocks (CIDR); where given, everybody else gets 403. Default: everybody is let in.'),
} as const

/** Keys of `challenges`. */
export const economicsShape = {
  reuse: flag
    .optional()
    .describe(
      'One invoice for repeated unpaid requests of one client address and route while it is fresh. Default true, false with "limit: off".',
    ),
  global: challengeLimit
    .optional()
    .describe('Invoices of all clients together per time, or off. Default 1000/1m, off with "limit: off".'),
  breaker: z
    .strictObject(
      {
        failures: whole('a whole number from 1', 1)
          .optional()
          .describe('So many failures of the node in a row, and it is left alone for a while. Default 5.'),
        openFor: duration
          .optional()
          .describe('How long it is left alone before one request tries it. Default 10s.'),
        concurrent: whole('a whole number from 1', 1)
          .optional()
          .describe('Most invoices that the node is asked for at once. Default 32.'),
      },
      {
        error: (issue) =>
          issue.code === 'unrecognized_keys'
            ? 'failures openFor concurrent'
            : '{ failures: 5, openFor: 10s, concurrent: 32 }',
      },
    )
    .optional()
    .describe('When a Lightning node that fails is left alone.'),
} as const

/** What bounds the invoices that unpaid requests cost. */
export interface EconomicsConfig {
  readonly reuse: boolean
  /** `null`: no bound. */
  readonly global: { readonly count: number; readonly windowSeconds: number } | null
  readonly breaker: {
    readonly failures?: number
    readonly openSeconds?: number
    readonly concurrent?: number
  }
}

/** `challenges` as the schema reads it. */
export interface EconomicsSource {
  readonly limit?: { readonly count: number; readonly windowSeconds: number } | null | undefined
  readonly reuse?: boolean | undefined
  readonly global?: EconomicsConfig['global'] | undefined
  readonly breaker?:
    | {
        readonly failures?: number | undefined
        readonly openFor?: number | undefined
        readonly concurrent?: number | undefined
      }
    | undefined
}

/** The bounds of a file. `limit: off` takes all of them away that are not written. */
export function readEconomics({ limit, reuse, global, breaker = {} }: EconomicsSource = {}): EconomicsConfig {
  const off = limit === null
  const { failures, openFor, concurrent } = breaker
  return {
    reuse: reuse ?? !off,
    global: global === undefined ? (off ? null : { count: 1_000, windowSeconds: 60 }) : global,
    breaker: {
      ...(failures === undefined ? {} : { failures }),
      ...(openFor === undefined ? {} : { openSeconds: openFor }),
      ...(concurrent === undefined ? {} : { concurrent }),
    },
  }
}

/** The lists, and whether they can be compiled at all. */
export function readAddressLists({
  block,
  allow,
}: {
  readonly block?: readonly string[] | undefined
  readonly allow?: readonly string[] | undefined
}): AddressListConfig {
  return { block: block ?? [], allow }
}

/** What the lists deny; `undefined`: nobody. */
export function deniedAddresses({
  block,
  allow,
}: AddressListConfig): ((address: string) => boolean) | undefined {
  return deniedBy(allow === undefined ? { block } : { block, allow })
}

/** Reports what the library does not take of a policy, key by key. */
export function checkPolicy(policy: RoutePolicyConfig, report: Report): void {
  if (policy.freebie !== undefined)
    attempt(
      () => routePolicy('', '', { freebie: policy.freebie }),
      (why) => report(['freebie'], why),
    )
  for (const [index, limit] of (policy.rateLimits ?? []).entries())
    attempt(
      () => routePolicy('', '', offerOf({ rateLimits: [limit] })),
      (why) => report(['rateLimits', index], why),
    )
}

/** The library's offer of a policy: patterns may be RE2. */
export function offerOf<T extends PolicyConfig>({
  rateLimits,
  ...rest
}: T): ServicePolicyOffer & Omit<T, 'rateLimits'> {
  if (rateLimits === undefined) return rest
  return {
    ...rest,
    rateLimits: rateLimits.map(({ match, ...limit }) =>
      match === undefined ? limit : { ...limit, match: routeMatch(match) },
    ),
  }
}

function attempt(read: () => unknown, told: (why: string) => void): void {
  try {
    read()
  } catch (error) {
    if (!(error instanceof Error)) throw error
    // `invalid <what> of <where>: expected …, got …`
    const at = error.message.indexOf('expected ')
    const got = error.message.lastIndexOf(', got ')
    told(`not right, ${error.message.slice(Math.max(at, 0), got > at ? got : undefined)}`)
  }
}
