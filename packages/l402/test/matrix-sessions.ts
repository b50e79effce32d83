/** A client of the Payment scheme's sessions for the matrix's apps, and for handlers without a server. */

import { request as httpRequest, type IncomingMessage } from 'node:http'
import { encodeHex } from '../src/core/bytes.ts'
import { formatCredential } from '../src/core/credential.ts'
import { sha256 } from '../src/core/hash.ts'
import {
  decodeJsonObject,
  formatPaymentCredential,
  type JsonObject,
  type PaymentChallenge,
  parsePaymentChallenges,
} from '../src/core/payment-scheme/index.ts'
import type { PaymentBackend } from '../src/lightning/backend.ts'
import { answerOf, type Bench } from './matrix.ts'
import { payDeposit, returnInvoice } from './support/session-shop.ts'

/** Where the client buys. */
export interface SessionSeller {
  readonly lightning: Pick<PaymentBackend, 'pay'>
  /** Asks for what is sold. */
  ask(headers: Record<string, string>): Promise<Response>
}

/** A session whose deposit is paid. */
export interface ClientSession {
  readonly sessionId: string
  /** The lines of a request that draws on it, and opens it where it is the first. */
  readonly lines: Record<string, string>
  /** The L402 credential of its deposit. */
  readonly credential: string
  /** The lines of the order that closes it. */
  readonly closeLines: Record<string, string>
  topUp(): Promise<unknown>
  close(): Promise<unknown>
}

const ACCEPT = { 'Accept-Payment': 'lightning/session' }

/** Pays the deposit of a session. */
export async function depositAt({ lightning, ask }: SessionSeller): Promise<ClientSession> {
  async function deposit(): Promise<{ readonly challenge: PaymentChallenge; readonly preimage: Uint8Array }> {
    const { status, headers } = await ask(ACCEPT)
    const [found] = parsePaymentChallenges([headers.get('www-authenticate') ?? ''])
    if (found === undefined) throw new Error(`expected a session to be offered, got ${status}`)
    const { doubtful, ...challenge } = found
    return { challenge, preimage: await payDeposit(lightning, challenge) }
  }
  const linesFor = (challenge: PaymentChallenge, payload: JsonObject): Record<string, string> => ({
    ...ACCEPT,
    Authorization: formatPaymentCredential({ challenge, payload }),
  })

  const { challenge, preimage: secret } = await deposit()
  const preimage = encodeHex(secret)
  const sessionId = encodeHex(sha256(secret))
  const back = returnInvoice({ nowSeconds: Math.floor(Date.now() / 1000) })
  const closeLines = linesFor(challenge, { action: 'close', sessionId, preimage })
  return {
    sessionId,
    closeLines,
    lines: linesFor(challenge, { action: 'open', preimage, returnInvoice: back }),
    credential: formatCredential(String(decodeJsonObject(challenge.opaque ?? '')?.['macaroon']), secret),
    async topUp() {
      const more = await deposit()
      const topUp = { action: 'topUp', sessionId, topUpPreimage: encodeHex(more.preimage) }
      return (await ask(linesFor(more.challenge, topUp))).json()
    },
    close: async () => (await ask(closeLines)).json(),
  }
}

/** An open stream, and what has come of it. */
export interface ReadStream {
  readonly res: IncomingMessage
  text(): string
  leave(): void
}

/** One of a running app. */
export interface MatrixSession extends ClientSession {
  stream(): Promise<ReadStream>
  /** What its balance holds. */
  books(): ReturnType<Bench['used']>
}

/** Pays the deposit of a session at `target`. */
export async function sessionAt(self: Bench, target: string): Promise<MatrixSession> {
  const { lightning, port } = self
  const session = await depositAt({
    lightning,
    ask: (headers) => fetch(`http://127.0.0.1:${port}${target}`, { headers }),
  })
  return {
    ...session,
    books: () => self.used(session.credential),
    async stream() {
      const headers = session.lines
      const req = httpRequest({ host: '127.0.0.1', port, path: target, agent: false, headers })
      req.end()
      const res = await answerOf(req)
      let text = ''
      for (const one of [req, res]) one.on('error', () => {})
      res.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
      })
      return { res, text: () => text, leave: () => req.destroy() }
    },
  }
}

/** The numbers of the resource's own events in a stream: `data: 1`, … */
export function numbersIn(text: string): string[] {
  return [...text.matchAll(/^data: (\d+)\n\n/gm)].map(([, n]) => n ?? '')
}

/** What the session's own events of this name say. */
export function dataOf(text: string, name: string): unknown[] {
  return [...text.matchAll(new RegExp(`^event: ${name}\\ndata: (.*)\\n\\n`, 'gm'))].map(([, json]) =>
    JSON.parse(json ?? ''),
  )
}
