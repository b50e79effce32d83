/** The listener that proxies ask over HTTP: nginx `auth_request`, Caddy `forward_auth`, Traefik ForwardAuth. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { problemBody, type RouteTerms } from '@turnpike/l402/server'
import { type AskedAnswer, AskedReply, AskedRequest, type DataPlane, peerAddress } from '../proxy/index.ts'
import { admit } from './admit.ts'
import { deniedStatus } from './denied-status.ts'
import { readForwarded } from './forwarded.ts'
import { type Outcomes, wasServed } from './outcomes.ts'
import { unwrapAnswer, wrapAnswer } from './wrapped.ts'

/** What proxies are answered from. */
export interface AuthServerOptions {
  readonly plane: Pick<DataPlane, 'ask'>
  readonly outcomes: Outcomes
  /** Whether an address may ask at all; others get 403. */
  readonly trusted: (address: string) => boolean
  readonly fault: (code: string, error: unknown, route: RouteTerms) => void
}

// Client lines, and what the proxy adds; a wrapped answer comes back in one of them.
const MAX_HEADER_BYTES = 131_072

/** Makes the server; it listens nowhere yet. */
export function createAuthServer(options: AuthServerOptions): Server {
  const server = createServer(
    { insecureHTTPParser: false, maxHeaderSize: MAX_HEADER_BYTES, keepAliveTimeout: 75_000 },
    (req, res) => answer(req, res, options),
  )
  // Node drops what is above a count without a word: the limit in bytes is enough.
  server.maxHeadersCount = 0
  return server
}

function answer(req: IncomingMessage, res: ServerResponse, options: AuthServerOptions): void {
  res.on('error', () => {})
  // No question has a body, and what one has is nobody's.
  req.resume()
  if (!options.trusted(peerAddress(req.socket))) {
    say(res, 403, 'this listener answers the addresses in forwardAuth.trusted only')
    return
  }
  // Caddy appends the client's own query, so nothing hangs on it.
  const [path = ''] = (req.url ?? '').split('?', 1)
  switch (path) {
    case '/auth/answer':
      sayWrapped(req, res)
      return
    case '/auth/outcome':
      void takeOutcome(req, res, options.outcomes)
      return
    default: {
      const manner = readManner(path)
      if (manner === undefined)
        say(
          res,
          404,
          'expected /auth (then /deny=401, /settle=report, /length=told), /auth/answer or /auth/outcome',
        )
      else answerQuestion(req, res, { ...options, manner })
    }
  }
}

function answerQuestion(
  req: IncomingMessage,
  res: ServerResponse,
  { plane, outcomes, fault, manner }: AuthServerOptions & { readonly manner: Manner },
): void {
  const facts = readForwarded(req.rawHeaders)
  if ('detail' in facts) {
    deliver(
      res,
      problem(400, { code: 'bad_request', title: 'Bad Request', detail: facts.detail }),
      manner.wrap,
    )
    return
  }
  // A client could say it where the proxy does not.
  const asked = new AskedRequest(manner.length ? facts : { ...facts, bodyLength: undefined })
  const reply = new AskedReply(asked, (decided) => deliver(res, decided, manner.wrap))
  res.once('close', () => reply.over(res.writableFinished))
  plane.ask(asked, reply, (admitted) => {
    void admit(admitted, { reply, outcomes: manner.report ? outcomes : undefined, fault })
  })
}

/** How a proxy asks. */
interface Manner {
  /** It takes nothing but 401 for a refusal. */
  readonly wrap: boolean
  /** It will tell how the request ended. */
  readonly report: boolean
  /** It sets `X-Original-Content-Length`. */
  readonly length: boolean
}

/** `undefined` for what is not known. */
function readManner(path: string): Manner | undefined {
  const [first, second, ...parts] = path.split('/')
  if (first !== '' || second !== 'auth') return undefined
  let wrap = false
  let report = false
  let length = false
  for (const part of parts) {
    if (part === 'deny=401') wrap = true
    else if (part === 'settle=report') report = true
    else if (part === 'length=told') length = true
    else return undefined
  }
  return { wrap, report, length }
}

function deliver(res: ServerResponse, answer: AskedAnswer, wrap: boolean): void {
  const { status, lines, body, pass } = answer
  if (pass) send(res, 200, { lines: [...lines, 'Cache-Control', 'no-store'], body })
  // No WWW-Authenticate: nginx would add it to the answer that it fetches with the wrapped one.
  else if (wrap) send(res, 401, { lines: ['X-L402-Answer', wrapAnswer(answer), 'Cache-Control', 'no-store'] })
  else {
    const denied = deniedStatus({ status, lines })
    if (denied !== undefined) send(res, denied, { lines, body })
    else send(res, 403, NOT_HERE)
  }
}

/** What is no refusal would be taken for a pass. */
const NOT_HERE = problem(403, {
  code: 'not_by_proxy',
  title: 'Forbidden',
  detail: 'OPTIONS and balances are answered at the address of the gateway itself',
})

/** The second request of a proxy that was answered with a wrapped answer. */
function sayWrapped(req: IncomingMessage, res: ServerResponse): void {
  const wrapped = req.headers['x-l402-answer']
  const found = typeof wrapped === 'string' ? unwrapAnswer(wrapped) : undefined
  try {
    if (found !== undefined) send(res, found.status, { lines: found.lines, body: found.body })
    else say(res, 403, 'expected X-L402-Answer from the answer of /auth/deny=401')
  } catch {
    say(res, 403, 'expected X-L402-Answer from the answer of /auth/deny=401')
  }
}

async function takeOutcome(req: IncomingMessage, res: ServerResponse, outcomes: Outcomes): Promise<void> {
  const { 'x-l402-outcome-id': id, 'x-l402-outcome-status': status } = req.headers
  if (req.method !== 'POST' || typeof id !== 'string') {
    say(res, 400, 'expected POST with X-L402-Outcome-Id and X-L402-Outcome-Status')
    return
  }
  const known = await outcomes.settle(id, wasServed(typeof status === 'string' ? status : ''))
  if (known) send(res, 204, { lines: [] })
  else say(res, 404, 'no such request is waiting for its outcome')
}

function problem(
  status: number,
  { code, title, detail }: { readonly code: string; readonly title: string; readonly detail: string },
): AskedAnswer {
  const lines = ['Content-Type', 'application/problem+json', 'Cache-Control', 'no-store']
  return { status, lines, body: Buffer.from(problemBody({ status, code, title, detail })), pass: false }
}

/** To the operator of the proxy; clients see it only where a proxy is set up wrongly. */
function say(res: ServerResponse, status: number, detail: string): void {
  if (res.headersSent) return
  send(res, status, {
    lines: ['Content-Type', 'text/plain', 'Cache-Control', 'no-store'],
    body: Buffer.from(`${detail}\n`),
  })
}

function send(
  res: ServerResponse,
  status: number,
  { lines, body = Buffer.alloc(0) }: { readonly lines: readonly string[]; readonly body?: Buffer },
): void {
  if (res.destroyed) return
  res.writeHead(status, status === 204 ? [...lines] : [...lines, 'Content-Length', String(body.length)])
  res.end(body)
}
