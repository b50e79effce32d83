/** The second listener: health, metrics, the admin API, and on the sandbox its wallet. Never on a public address. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import type { ListenAddress } from '../config/config.ts'
import { listenOn } from '../listen.ts'
import { describeError } from '../log.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { AdminApi } from './admin-api.ts'
import type { ApiAnswer } from './api/operation.ts'
import type { Readiness } from './readiness.ts'
import { sandboxObjection } from './sandbox-guard.ts'

/** The sandbox's wallet as a function from request to answer; `undefined` for a path that is not its. */
export type SandboxRoutes = (
  method: string,
  path: string,
  body: string,
) => Promise<{ readonly status: number; readonly contentType?: string; readonly body: string } | undefined>

/** What the admin listener shows. */
export interface AdminOptions {
  readonly listen: ListenAddress
  readonly readiness: () => Promise<Readiness>
  /** Services whose upstreams are all unwell. Named by `/readyz`, which is ready all the same: others are served. */
  readonly unwellServices?: () => readonly string[]
  /** What is amiss with the node, and does not keep the gateway from being ready. */
  readonly lightningWarning?: () => string | undefined
  readonly metrics: Pick<Metrics, 'expose'>
  /** The sandbox's wallet, where there is one. */
  readonly sandbox: SandboxRoutes | undefined
  readonly api: AdminApi
  readonly log: Pick<Logger, 'error'>
}

/** The running admin listener. */
export interface AdminServer {
  /** With the real port. */
  readonly url: string
  close(): Promise<void>
}

/** Largest body, in bytes. */
const MAX_BODY_BYTES = 64 * 1024

interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly contentType: string
  readonly body: string
}

type Streamed = Extract<ApiAnswer, { stream: unknown }>

/** Most bytes that wait for one who watches; then he is cut off. */
const MAX_BEHIND_BYTES = 1024 * 1024

/** Starts listening. Throws `CommandError` where the address cannot be had. */
export async function startAdmin(options: AdminOptions): Promise<AdminServer> {
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 60_000 }, (request, response) => {
    answer(request, options).then(
      (found) => {
        if ('stream' in found) stream(request, response, found)
        else send(request, response, found)
      },
      (error: unknown) => {
        options.log.error({ fault: describeError(error) }, 'admin request failed')
        send(request, response, problem(500, 'internal_error', 'the request could not be answered'))
      },
    )
  })
  const url = await listenOn(server, options.listen)
  return {
    url,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(request: IncomingMessage, options: AdminOptions): Promise<Answer | Streamed> {
  const path = (request.url ?? '').split('?', 1)[0] ?? ''
  if (path.startsWith('/sandbox/') && options.sandbox !== undefined) {
    const objection = sandboxObjection(request, options.listen.host)
    if (objection !== undefined) return problem(objection.status, 'refused', objection.detail)
    const body = await readBody(request)
    if (body === undefined) return problem(413, 'too_large', `expected at most ${MAX_BODY_BYTES} bytes`)
    const found = await options.sandbox(request.method ?? '', path, body)
    if (found === undefined) return problem(404, 'not_found', 'nothing here')
    return { contentType: 'application/json', ...found }
  }
  if (path.startsWith('/api/')) return answerApi(request, options.api)
  const known = ['/healthz', '/readyz', '/metrics'].includes(path)
  if (!known) return problem(404, 'not_found', 'expected /healthz, /readyz, /metrics or /api/v1/…')
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return problem(405, 'method_not_allowed', 'expected GET')
  }
  if (path === '/healthz') return json(200, { status: 'ok' })
  if (path === '/readyz') {
    const { ready, draining, checks } = await options.readiness()
    const status = ready ? 'ready' : draining ? 'draining' : 'not_ready'
    const unwell = options.unwellServices?.() ?? []
    const noUpstream = unwell.length === 0 ? {} : { noHealthyUpstream: unwell }
    const warning = options.lightningWarning?.()
    const warnings = warning === undefined ? {} : { warnings: { lightning: warning } }
    return json(ready ? 200 : 503, { status, checks, ...noUpstream, ...warnings })
  }
  const { contentType, text } = await options.metrics.expose()
  return { status: 200, contentType, body: text }
}

async function answerApi(request: IncomingMessage, api: AdminApi): Promise<Answer | Streamed> {
  const who = api.admit(request)
  if ('status' in who) return apiAnswer(who)
  const body = await readBody(request)
  if (body === undefined) return problem(413, 'too_large', `expected at most ${MAX_BODY_BYTES} bytes`)
  return apiAnswer(await api.answer(request, who, body))
}

function apiAnswer(answer: ApiAnswer): Answer | Streamed {
  if ('stream' in answer) return answer
  const headers = answer.headers ?? {}
  if ('code' in answer)
    return { ...problem(answer.status, answer.code, answer.detail, answer.errors), headers }
  if (answer.body === undefined) return { status: answer.status, contentType: '', body: '', headers }
  return { ...json(answer.status, answer.body), headers }
}

/** The body as text; `undefined` when it is too large or does not arrive. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > MAX_BODY_BYTES) return undefined
      chunks.push(chunk)
    }
  } catch {
    return undefined
  }
  return Buffer.concat(chunks).toString('utf8')
}

function json(status: number, value: unknown): Answer {
  return { status, contentType: 'application/json', body: `${JSON.stringify(value)}\n` }
}

/** RFC 9457. */
function problem(status: number, code: string, detail: string, errors?: readonly string[]): Answer {
  const body = JSON.stringify({
    type: `urn:turnpike:problem:${code}`,
    title: code.replaceAll('_', ' '),
    status,
    detail,
    code,
    ...(errors === undefined ? {} : { errors }),
  })
  return { status, contentType: 'application/problem+json', body: `${body}\n` }
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  { status, contentType, body, headers }: Answer,
): void {
  if (response.destroyed) return
  response.writeHead(status, {
    ...(contentType === '' ? {} : { 'Content-Type': contentType }),
    ...(status === 204 ? {} : { 'Content-Length': Buffer.byteLength(body) }),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...(status === 405 ? { Allow: 'GET, HEAD' } : {}),
    ...headers,
    ...(request.complete ? {} : { Connection: 'close' }),
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}

/** Server-sent events until one of the two goes. Nothing waits for who watches: who is too slow is cut off. */
function stream(request: IncomingMessage, response: ServerResponse, { stream: open }: Streamed): void {
  if (response.destroyed) return
  let started = false
  const off = open((chunk) => {
    if (response.destroyed) return false
    if (!started) {
      started = true
      response.writeHead(200, {
        'Content-Type': 'text/event-stream',
        'Cache-Control': 'no-store',
        'X-Content-Type-Options': 'nosniff',
      })
    }
    if (response.writableLength > MAX_BEHIND_BYTES) {
      response.destroy()
      return false
    }
    response.write(chunk)
    return true
  })
  if (off === undefined) {
    send(request, response, problem(503, 'too_many_watchers', 'too many watch already, expected fewer'))
    return
  }
  if (request.method === 'HEAD') {
    off()
    response.end()
    return
  }
  response.once('close', off)
}
