/** `compat` of the file and `mints` of a service: for clients, and tokens, of other gateways. */

import type { RouteTerms } from '@turnpike/l402/server'
import type { Report } from './metered.ts'
import { list, section, table } from './section.ts'
import { flag } from './values.ts'

/** `compat`. */
export const compatSchema = section('{ lsat: true }', {
  lsat: flag
    .optional()
    .describe(
      'Whether challenges suit clients of Aperture: macaroons with the location "lsat", and a second challenge line with the scheme LSAT after the first. Default false.',
    ),
}).describe('What is done for old clients.')

/** `mints` of a service. */
export const mintsSchema = section('"capabilities" or "caveats"', {
  capabilities: list('a list of capabilities such as [read]')
    .optional()
    .describe('Capabilities that credentials are sold with, on routes with "anyCapability". Default: none.'),
  caveats: table('conditions with their values, e.g. { monthly_volume: "200" }')
    .optional()
    .describe(
      'Further caveats of every credential that is sold; the gateway does not enforce them. Default: none.',
    ),
}).describe('What credentials are sold with besides what the gateway needs itself.')

/** What tokens are minted with besides. */
export type MintsConfig = NonNullable<RouteTerms['minted']>

/** Most bytes of it all: a macaroon has 8 KiB. */
const MAX_BYTES = 1024

/** Reads `mints`. Reports everything that is wrong. */
export function readMints(
  mints:
    | {
        readonly capabilities?: readonly string[] | undefined
        readonly caveats?: Record<string, unknown> | undefined
      }
    | undefined,
  {
    service,
    anyCapability,
    report,
  }: { readonly service: string; readonly anyCapability: boolean; readonly report: Report },
): MintsConfig | undefined {
  if (mints === undefined) return undefined
  const { capabilities = [], caveats = {} } = mints
  for (const [index, name] of capabilities.entries())
    if (!/^[\x21-\x2b\x2d-\x7e]{1,256}$/.test(name))
      report(
        ['mints', 'capabilities', index],
        'not a capability, expected plain characters without spaces and commas',
      )
  if (capabilities.length > 0 && !anyCapability)
    report(
      ['mints', 'capabilities'],
      'routes need their own capability, expected "anyCapability: true" on each that is sold',
    )
  const texts = Object.entries(caveats).flatMap(([condition, value]) => {
    const below = ['mints', 'caveats', condition]
    const text = typeof value === 'number' ? String(value) : value
    if (!/^[\x21-\x3c\x3e-\x7e]{1,128}$/.test(condition))
      report(below, 'not a condition, expected plain characters without spaces and "="')
    else if (condition === 'services' || condition.startsWith(`${service}_`))
      report(below, 'is for the gateway to say, expected a condition that it does not know')
    else if (typeof text !== 'string' || /\p{Cc}|\p{Cs}/u.test(text))
      report(below, 'not a value, expected a text of one line')
    else return [`${condition}=${text}`]
    return []
  })
  if (Buffer.byteLength([...capabilities, ...texts].join()) > MAX_BYTES)
    report(['mints'], `too much, expected at most ${MAX_BYTES} bytes in all`)
  return {
    ...(capabilities.length === 0 ? {} : { capabilities: capabilities.join(',') }),
    ...(texts.length === 0 ? {} : { caveats: texts }),
  }
}
