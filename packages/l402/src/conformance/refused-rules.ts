/** The rules for what is no credential (protocol §1 S1, S8; §2 V6), each asked without paying. */

import { findL402Challenges } from '../core/challenge.ts'
import type { HeaderLines } from '../core/header-lines.ts'
import { type Came, linesOf, passes } from './ask.ts'
import type { Report } from './finding.ts'
import type { Offered } from './unpaid-rules.ts'

/** Sends the request with further header lines, or another method or target. Status 0: no answer came. */
export type Send = (
  headers: HeaderLines,
  as?: { readonly method?: string; readonly target?: string },
) => Promise<Came>

/** What is sent, what it is called, and whether passing with it gives something away. */
interface Attempt {
  readonly name: string
  readonly headers: HeaderLines
}

const ZEROS = '0'.repeat(64)

function attemptsWith({ challenge: { macaroon } }: Offered): readonly Attempt[] {
  const authorization = (value: string): HeaderLines => ['Authorization', value]
  return [
    { name: 'a credential that is none', headers: authorization('L402 x:y') },
    { name: 'an empty credential', headers: authorization('L402 ') },
    { name: 'another scheme', headers: authorization('Bearer x') },
    {
      name: 'the macaroon with a preimage that is not the invoice’s',
      headers: authorization(`L402 ${macaroon}:${ZEROS}`),
    },
    { name: 'the same under the old scheme', headers: authorization(`LSAT ${macaroon}:${ZEROS}`) },
    { name: 'the macaroon with an empty preimage', headers: authorization(`L402 ${macaroon}:`) },
    { name: 'a credential of 12 KB', headers: authorization(`L402 ${'A'.repeat(12_000)}:${ZEROS}`) },
  ]
}

/** Sends what must not pass. */
export async function checkRefused(
  send: Send,
  { offered, method }: { readonly offered: Offered; readonly method: string },
  report: Report,
): Promise<void> {
  for (const { name, headers } of attemptsWith(offered)) {
    const { status, headers: lines } = await send(headers)
    if (status === 0) continue
    if (status === 402) {
      const fresh = findL402Challenges(linesOf({ headers: lines }, 'www-authenticate')).length > 0
      if (!fresh)
        report(
          'error',
          'S1',
          `${name} is answered 402 without a challenge`,
          'Send a fresh challenge with every 402.',
        )
    } else if (passes({ status }))
      report(
        'error',
        'V6',
        `${name} passes (${status})`,
        'Verify the preimage against the payment hash, and the macaroon’s signature, on every request.',
      )
    else if (status >= 500)
      report(
        'error',
        'V6',
        `${name} is answered ${status}`,
        'Treat hostile bytes as a refused credential: 402 with a fresh challenge.',
      )
    else if (status === 429)
      return report(
        'note',
        'S10',
        'the server limits how often it is asked; further probes were left out',
        'Ask again later, or from an address that is exempt.',
      )
    else
      report(
        'warning',
        'S1',
        `${name} is answered ${status}, not 402`,
        'Clients buy again on 402 alone; lnget takes anything else for success.',
      )
  }
  await checkMethods(send, method, report)
}

async function checkMethods(send: Send, method: string, report: Report): Promise<void> {
  // HEAD is another form of GET; of what is sold by another method it says nothing.
  if (method === 'GET') await checkHead(send, report)
  const preflight = await send(
    [
      ...['Origin', 'https://app.example', 'Access-Control-Request-Method', method],
      ...['Access-Control-Request-Headers', 'authorization'],
    ],
    { method: 'OPTIONS' },
  )
  if (preflight.status === 402)
    report(
      'error',
      'S8',
      'a preflight is answered 402',
      'Answer OPTIONS or pass it on; a browser cannot pay for it.',
    )
  const page = await send(['Origin', 'https://app.example'])
  const exposed = linesOf(page, 'access-control-expose-headers').join(',').toLowerCase()
  if (page.status !== 402) return
  if (linesOf(page, 'access-control-allow-origin').length === 0)
    report(
      'note',
      'S5',
      'pages of other origins cannot read the challenge',
      'Send CORS lines with the 402 if browsers are to buy.',
    )
  else if (!exposed.includes('www-authenticate') && !exposed.includes('*'))
    report(
      'warning',
      'S5',
      'pages of other origins may read the 402, but not WWW-Authenticate',
      'Name it in Access-Control-Expose-Headers.',
    )
}

async function checkHead(send: Send, report: Report): Promise<void> {
  const head = await send([], { method: 'HEAD' })
  if ([0, 402, 405, 429].includes(head.status)) return
  report(
    passes(head) ? 'error' : 'warning',
    'S8',
    `HEAD is answered ${head.status}, where GET is not`,
    'Gate HEAD like GET.',
  )
}
