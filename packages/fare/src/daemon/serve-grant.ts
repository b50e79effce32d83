/** What the daemon does for whoever holds a grant: fetches and buys within it. Wallet and credentials stay here. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { isL402Error, type Network } from '@turnpike/l402'
import {
  type BuyerOptions,
  buyer,
  type FetchOutcome,
  type PurchaseEvent,
  type PurseStore,
} from '@turnpike/l402/client'
import { toJson } from '../cli/json.ts'
import { causeText } from '../cli/text.ts'
import { answerOf, deliver } from '../commands/deliver.ts'
import { type Grant, type GrantBook, grantEnd, reaches } from '../grants/grant-book.ts'
import { type GrantFetches, grantFetch } from '../grants/grant-fetch.ts'
import { grantPurse } from '../grants/grant-purse.ts'
import type { Policy } from '../policy/policy.ts'
import { tellBooks } from '../tell-books.ts'
import { type Asked, type Line, MOST_BODY_BYTES, readAsked } from './messages.ts'

/** What the daemon stands on. */
export interface DaemonParts {
  readonly purse: PurseStore
  readonly book: GrantBook
  readonly wallet: BuyerOptions['wallet']
  readonly walletName: string
  readonly networks: readonly Network[] | undefined
  readonly paymentTimeoutMs: number | undefined
  readonly fetches: GrantFetches
  /** Whether credentials go out as copies narrowed to one request. */
  readonly attenuate: boolean
  /** Who approves, the hook that sees every purchase, and what may be paid in fees: the user's, as for runs of their own. */
  readonly policy: Policy
  /** Is told of every purchase, for the books; its own business must not hold one up. */
  readonly onEvent?: (event: PurchaseEvent) => void
  /** `HOST:PORT` that a request must name; `undefined` on a Unix socket. */
  readonly host: () => string | undefined
}

/** Answers one HTTP request. Never throws. */
export async function serveGrant(
  parts: DaemonParts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const refuse = (status: number, message: string): void => {
    response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    response.end(toJson({ error: message }))
  }
  try {
    const { headers, method, url } = request
    const host = parts.host()
    // A page in a browser can reach loopback: it names itself in Origin, or a name of its own in Host.
    if (headers.origin !== undefined || (host !== undefined && headers.host !== host))
      return refuse(403, 'not for pages')
    const [, token = ''] = /^Bearer (\S+)$/.exec(headers.authorization ?? '') ?? []
    const grant = parts.book.find(token)
    if (!grant) return refuse(401, 'the daemon knows no such grant')
    if (method === 'GET' && url === '/v1/grant') {
      const { id, totalMsat, requestMsat, spentMsat, hosts, expiresAtMs, task } = grant
      const state = grantEnd(grant, Date.now()) ?? 'good'
      response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' })
      response.end(toJson({ id, state, totalMsat, requestMsat, spentMsat, hosts, expiresAtMs, task }))
      return
    }
    if (method !== 'POST' || url !== '/v1/fetch') return refuse(404, 'expected POST /v1/fetch')
    const end = grantEnd(grant, Date.now())
    if (end !== null)
      return refuse(403, end === 'revoked' ? 'the grant was revoked' : 'the grant has expired')
    if (headers['content-type'] !== 'application/json') return refuse(415, 'expected application/json')
    const text = await readBody(request)
    if (text === undefined) return refuse(413, 'the request is too large')
    const asked = readAsked(text)
    if (typeof asked === 'string') return refuse(400, asked)
    if (!reaches(grant, new URL(asked.url)))
      return refuse(
        403,
        `the grant does not reach ${new URL(asked.url).host}; it is for ${grant.hosts.join(', ')}`,
      )
    await fetchUnder(parts, { grant, asked, response })
  } catch (error) {
    if (!response.headersSent) refuse(500, causeText(error))
    else response.destroy()
  }
}

async function fetchUnder(
  parts: DaemonParts,
  { grant, asked, response }: { grant: Grant; asked: Asked; response: ServerResponse },
): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort(new Error('whoever asked has gone away')))
  const timeout = asked.timeoutMs === null ? [] : [AbortSignal.timeout(asked.timeoutMs)]
  const signal = AbortSignal.any([gone.signal, ...timeout])
  const write = (line: Line): Promise<boolean> =>
    new Promise((resolve) => {
      if (response.destroyed) return resolve(false)
      response.write(toJson(line), (error) => resolve(!error))
    })
  response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' })
  // Whoever asks knows from here on that something may be bought.
  response.flushHeaders()
  let outcome: FetchOutcome
  try {
    outcome = await buyerFor(parts, grant, { asked, onEvent: (event) => void write({ event }) }).fetch({
      url: new URL(asked.url),
      method: asked.method,
      headers: new Headers(asked.headers.map(([name, value]): [string, string] => [name, value])),
      body: asked.body === null ? null : new Uint8Array(Buffer.from(asked.body, 'base64')),
      replayable: true,
      redirect: asked.redirect,
      signal,
      init: {},
    })
  } catch (cause) {
    // The buyer throws only as long as nothing was paid.
    await write({ fault: { code: isL402Error(cause) ? cause.code : 'failed', message: causeText(cause) } })
    response.end()
    return
  }
  await answer(outcome, { write, isGone: () => gone.signal.aborted })
  response.end()
}

function buyerFor(
  parts: DaemonParts,
  grant: Grant,
  { asked, onEvent }: { readonly asked: Asked; readonly onEvent: NonNullable<BuyerOptions['onEvent']> },
) {
  const { networks, paymentTimeoutMs } = parts
  const tell = (event: PurchaseEvent): void => {
    parts.onEvent?.(event)
    onEvent(event)
  }
  return buyer({
    ...parts.policy,
    wallet: parts.wallet,
    walletName: parts.walletName,
    purse: grantPurse(parts.purse, { book: parts.book, grant }),
    fetch: grantFetch(parts.fetches, grant),
    onEvent: tell,
    attenuate: parts.attenuate,
    ...(networks === undefined ? {} : { networks }),
    ...(paymentTimeoutMs === undefined ? {} : { paymentTimeoutMs }),
    // Can only lower what the grant and the user's budget allow.
    ...(asked.maxMsat === null ? {} : { maxMsat: BigInt(asked.maxMsat) }),
    ...(asked.noPay ? { noPay: true } : {}),
    ...(asked.payAgain ? { secondPurchase: true } : {}),
    ...(grant.task ? { task: grant.task } : {}),
    ...(asked.maxRedirects === null ? {} : { maxRedirects: asked.maxRedirects }),
  })
}

/** The outcome, then the body as it comes. A 402 is not handed on: it holds a macaroon (rule C10). */
async function answer(
  outcome: FetchOutcome,
  to: { readonly write: (line: Line) => Promise<boolean>; readonly isGone: () => boolean },
): Promise<void> {
  const shown = answerOf(outcome)
  const { response: _, cause: __, ...sent } = { response: null, cause: null, ...outcome }
  const headers = shown ? [...shown.headers].filter(([name]) => name !== 'www-authenticate') : []
  await to.write({
    outcome: sent,
    answer: shown && { status: shown.status, statusText: shown.statusText, headers },
  })
  if (!shown && 'response' in outcome) await outcome.response?.body?.cancel().catch(() => {})
  const given = await deliver(shown, {
    head: false,
    sinks: async () => [
      {
        write: (chunk) => to.write({ chunk: Buffer.from(chunk as Uint8Array).toString('base64') }),
        close: async () => {},
      },
    ],
  })
  // Whoever asked and is gone says nothing of the server: it is presented again (rule C8).
  if (!to.isGone()) await tellBooks(outcome, given.kind === 'whole' ? 'whole' : 'cut')
  await to.write(given.kind === 'whole' ? { end: true } : { cut: causeText(given.cause) })
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    // Base64 and the rest of the object come on top.
    if (length > MOST_BODY_BYTES * 1.4) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}
