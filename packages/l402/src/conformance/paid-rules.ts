/** The rules for what was paid for (protocol §2 V1–V5, §5): every form of the credential, and what narrows it. */

import { decodeBase64, decodeUtf8, encodeBase64, encodeHex } from '../core/bytes.ts'
import { attenuateMacaroon } from '../core/chain.ts'
import type { HeaderLines } from '../core/header-lines.ts'
import { decodeMacaroon, encodeMacaroon, type Macaroon } from '../core/macaroon.ts'
import { passes } from './ask.ts'
import type { Report } from './finding.ts'
import type { Send } from './refused-rules.ts'
import { isServed, unserved, usedUp } from './served-rules.ts'

/** What was bought. */
export interface Bought {
  /** As it was received. */
  readonly macaroon: string
  /** 64 hex digits, lower case. */
  readonly preimage: string
  /** What the resource was bought with. */
  readonly method: string
}

interface Form {
  readonly rule: string
  readonly name: string
  readonly clients: string
  readonly headers: HeaderLines
}

/** Presents what was bought in every form. Stops where it is not served, and where it is used up. */
export async function checkPaid(
  send: Send,
  { macaroon: text, preimage, method }: Bought,
  report: Report,
): Promise<void> {
  const first = await send(['Authorization', `L402 ${text}:${preimage}`])
  if (!isServed(first)) return report(...unserved(first))
  // Another method may well have nothing to say.
  if (method === 'GET' && first.body === '' && first.end === 'whole')
    report(
      'warning',
      '-',
      `what was paid for is empty (${first.status})`,
      'Sell what holds something: whoever paid takes nothing for a fault.',
    )
  const again = await send(['Authorization', `L402 ${text}:${preimage}`])
  if (again.status === 0) return
  if (!isServed(again)) return report(...usedUp(again))
  const macaroon = decodeMacaroon(decodeBase64(text) as Uint8Array)
  for (const form of formsOf(text, macaroon, preimage)) {
    const { status } = await send(form.headers)
    if (status === 429)
      return report(
        'note',
        '5',
        'the credential’s rate is used up; further spellings were not tried',
        'Ask again later.',
      )
    if (status >= 500)
      report('warning', form.rule, `${form.name} is answered ${status}`, `${form.clients} send it.`)
    else if (status !== 0 && !passes({ status }))
      report('warning', form.rule, `${form.name} is not taken (${status})`, `${form.clients} send it.`)
  }
  await checkNarrowed(send, { macaroon, preimage, report })
}

function formsOf(text: string, macaroon: Macaroon, preimage: string): readonly Form[] {
  const proven = attenuateMacaroon(macaroon, [`preimage=${preimage}`])
  const bytes = encodeMacaroon(proven)
  const urlSafe = text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
  const authorization = (value: string): HeaderLines => ['Authorization', value]
  return [
    {
      rule: 'V1',
      name: 'the scheme in lower case',
      clients: 'Some HTTP libraries',
      headers: authorization(`l402 ${text}:${preimage}`),
    },
    {
      rule: 'V1',
      name: 'the scheme LSAT',
      clients: 'Aperture’s clients',
      headers: authorization(`LSAT ${text}:${preimage}`),
    },
    {
      rule: 'V1',
      name: 'base64url without padding',
      clients: 'Clients that re-encode',
      headers: authorization(`L402 ${urlSafe}:${preimage}`),
    },
    {
      rule: 'V1',
      name: 'a preimage in capitals',
      clients: 'Some wallets',
      headers: authorization(`L402 ${text}:${preimage.toUpperCase()}`),
    },
    {
      rule: 'V2',
      name: 'two Authorization lines, LSAT then L402',
      clients: 'Aperture-style proxies',
      headers: [...authorization(`LSAT ${text}:${preimage}`), ...authorization(`L402 ${text}:${preimage}`)],
    },
    {
      rule: 'V3',
      name: 'a macaroon in hex with its preimage in a caveat',
      clients: 'gRPC clients',
      headers: ['Grpc-Metadata-Macaroon', encodeHex(bytes)],
    },
    {
      rule: 'V4',
      name: 'a preimage in a caveat and behind the colon',
      clients: 'lnget',
      headers: authorization(`L402 ${encodeBase64(bytes)}:${preimage}`),
    },
  ]
}

/** Each narrower copy must not pass; where it does, the condition is not enforced. */
async function checkNarrowed(
  send: Send,
  {
    macaroon,
    preimage,
    report,
  }: { readonly macaroon: Macaroon; readonly preimage: string; readonly report: Report },
): Promise<void> {
  const service = serviceOf(macaroon)
  if (service === undefined)
    return report(
      'note',
      '5',
      'the credential names no service, so no narrower copy was tried',
      'Mint a "services=" caveat.',
    )
  const narrowings: readonly (readonly [caveat: string, severity: 'error' | 'warning'])[] = [
    [`${service}_valid_until=1`, 'error'],
    [`${service}_max_calls=0`, 'warning'],
    [`${service}_methods=PATCH`, 'warning'],
    [`${service}_paths=/never`, 'warning'],
    ['crit=turnpike_doctor_unknown', 'warning'],
  ]
  for (const [caveat, severity] of narrowings) {
    const narrowed = encodeBase64(encodeMacaroon(attenuateMacaroon(macaroon, [caveat])))
    const { status } = await send(['Authorization', `L402 ${narrowed}:${preimage}`])
    const condition = caveat.slice(0, caveat.indexOf('='))
    if (passes({ status }))
      report(
        severity,
        '5',
        `a copy that ${condition} rules out passes`,
        'Enforce the condition, or do not list it: a holder may hand on such copies.',
      )
  }
  const forged = encodeMacaroon({ ...macaroon, caveats: macaroon.caveats.slice(0, -1) })
  const { status } = await send(['Authorization', `L402 ${encodeBase64(forged)}:${preimage}`])
  if (passes({ status }) && macaroon.caveats.length > 0)
    report(
      'error',
      '5',
      'a macaroon passes with its last caveat cut off',
      'Verify the chain of signatures on every request.',
    )
}

function serviceOf({ caveats }: Macaroon): string | undefined {
  for (const { id } of caveats) {
    const found = /^services=([^:,]+)/.exec(decodeUtf8(id) ?? '')
    if (found !== null) return found[1]
  }
  return undefined
}
