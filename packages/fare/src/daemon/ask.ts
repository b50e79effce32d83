/** `fare get` by way of the daemon: this process sees no wallet, no macaroon and no preimage. */

import { request as httpRequest, type IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'
import { L402Error, type L402ErrorCode } from '@turnpike/l402'
import type { BuyerOptions, FetchOutcome, PreparedRequest } from '@turnpike/l402/client'
import { EXIT_OF } from '../exit-codes.ts'
import type { GrantFile } from '../grants/grant-file.ts'
import { type Asked, type Line, parseLine, type SentAnswer } from './messages.ts'

/** What a run adds to the request. */
export interface AskOptions {
  readonly maxMsat: bigint | undefined
  readonly noPay: boolean
  readonly payAgain: boolean
  readonly maxRedirects: number | undefined
  readonly timeoutMs: number | undefined
  readonly onEvent: BuyerOptions['onEvent']
}

/**
 * Fetches by way of the daemon. Throws what {@link import('@turnpike/l402/client').Buyer.fetch} would, so only as long
 * as nothing was paid; `lightning_unavailable` where no daemon answers, `payment_refused` where it refuses the grant.
 */
export async function askDaemon(
  file: GrantFile,
  prepared: PreparedRequest,
  options: AskOptions,
): Promise<FetchOutcome> {
  const answer = await post(file, '/v1/fetch', askedOf(prepared, options))
  if (answer.statusCode !== 200) throw await refusalOf(answer)
  const lines = createInterface({ input: answer, crlfDelay: Number.POSITIVE_INFINITY })[
    Symbol.asyncIterator
  ]()
  const next = async (): Promise<Line | undefined> => {
    try {
      const { value, done } = await lines.next()
      return done ? undefined : parseLine(value)
    } catch {
      return undefined
    }
  }
  let asking = ''
  for (;;) {
    const line = await next()
    if (line === undefined) {
      answer.destroy()
      // It may have paid before it went away (rule C3).
      const detail = 'the purse daemon went away before it said what happened'
      return { kind: 'payment_unknown', url: prepared.url.href, purchases: [], paymentHash: asking, detail }
    }
    if ('event' in line) {
      if (line.event.type === 'paying') asking = line.event.paymentHash
      options.onEvent?.(line.event)
    } else if ('fault' in line) {
      const { code, message } = line.fault
      throw code in EXIT_OF && code !== 'failed'
        ? new L402Error(code as L402ErrorCode, message)
        : new Error(message)
    } else if ('outcome' in line) {
      const response = line.answer && responseOf(line.answer, next, () => answer.destroy())
      if (response === null) answer.destroy()
      return { ...line.outcome, response } as FetchOutcome
    }
  }
}

/** What the daemon says about the grant itself. */
export async function askAboutGrant(file: GrantFile): Promise<Record<string, unknown>> {
  const answer = await post(file, '/v1/grant', null)
  if (answer.statusCode !== 200) throw await refusalOf(answer)
  return JSON.parse(await textOf(answer)) as Record<string, unknown>
}

function askedOf(prepared: PreparedRequest, options: AskOptions): Asked {
  const { body } = prepared
  return {
    url: prepared.url.href,
    method: prepared.method,
    headers: [...prepared.headers],
    body: body instanceof Uint8Array ? Buffer.from(body).toString('base64') : null,
    redirect: prepared.redirect === 'follow' ? 'follow' : 'manual',
    maxMsat: options.maxMsat?.toString() ?? null,
    noPay: options.noPay,
    payAgain: options.payAgain,
    maxRedirects: options.maxRedirects ?? null,
    timeoutMs: options.timeoutMs ?? null,
  }
}

function responseOf(
  { status, statusText, headers }: SentAnswer,
  next: () => Promise<Line | undefined>,
  leave: () => void,
): Response {
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      let line = await next()
      while (line !== undefined && 'event' in line) line = await next()
      if (line !== undefined && 'chunk' in line) controller.enqueue(Buffer.from(line.chunk, 'base64'))
      else if (line !== undefined && 'end' in line) controller.close()
      else
        controller.error(
          new Error(line !== undefined && 'cut' in line ? line.cut : 'the purse daemon went away'),
        )
    },
    cancel: leave,
  })
  const bodiless = status === 204 || status === 205 || status === 304
  if (bodiless) leave()
  const response = new Response(bodiless ? null : body, {
    status: status > 599 ? 599 : status,
    statusText,
    headers: headers.map(([name, value]): [string, string] => [name, value]),
  })
  if (status > 599) Object.defineProperty(response, 'status', { value: status })
  return response
}

function post(file: GrantFile, path: string, asked: Asked | null): Promise<IncomingMessage> {
  const { daemon, grant } = file
  const socketPath = daemon.startsWith('unix:') ? daemon.slice('unix:'.length) : undefined
  const url = new URL(path, socketPath === undefined ? daemon : 'http://fare')
  // The grant's secret goes to this machine and nowhere else.
  if (socketPath === undefined && !/^http:\/\/(127\.0\.0\.1|\[::1\]):[0-9]+\/$/.test(`${url.origin}/`))
    throw new L402Error('payment_refused', 'the daemon of a grant must be on loopback or a Unix socket')
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, {
      method: asked === null ? 'GET' : 'POST',
      agent: false,
      ...(socketPath === undefined ? {} : { socketPath }),
      headers: { authorization: `Bearer ${grant}`, 'content-type': 'application/json' },
    })
    request.once('response', resolve)
    request.once('error', (cause: NodeJS.ErrnoException) => {
      // Until its first line comes nothing can have been paid: the daemon answers before it buys.
      const message = `no purse daemon answers at ${daemon} (${cause.code ?? cause.message}); fare daemon starts it`
      reject(new L402Error('lightning_unavailable', message, { cause }))
    })
    request.end(asked === null ? undefined : JSON.stringify(asked))
  })
}

async function refusalOf(answer: IncomingMessage): Promise<L402Error> {
  let said = `the purse daemon answered ${answer.statusCode}`
  try {
    said = String((JSON.parse(await textOf(answer)) as { error: unknown }).error)
  } catch {
    // not a daemon of fare: the status has to do
  }
  return new L402Error('payment_refused', said)
}

async function textOf(answer: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of answer) text += String(chunk)
  return text
}
