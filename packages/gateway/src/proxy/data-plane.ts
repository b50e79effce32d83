import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  type Decision,
  DIGEST_BYTES,
  digestContent,
  type Entitlement,
  type Gate,
  type GateRequest,
  optionsLines,
  type RouteTerms,
} from '@turnpike/l402/server'
import { type OwnProblem, sendNothing, sendRefused, sendStored } from './answers.ts'
import { answerBalance } from './balance.ts'
import { BALANCE_PATH } from './balance-path.ts'
import { type ClientFacts, clientFacts, type TrustedProxies } from './client-facts.ts'
import { Exchange } from './exchange.ts'
import { type FoundRoute, findRoute } from './find-route.ts'
import { LastAnswers } from './last-answers.ts'
import {
  BAD_EXPECTATION,
  BODY_LATE,
  INTERNAL,
  methodNotAllowed,
  NO_ROUTE,
  NO_WEBSOCKET,
} from './own-problems.ts'
import { type RequestHead, readHead, upstreamLines } from './request-head.ts'
import { compileRouting, type HostFinder, type ProxyRoute, type Routing } from './routing.ts'
import type { RequestTracer } from './tracer.ts'
import { UpstreamPools } from './upstream-pools.ts'
import { type RequestRecord, Visit } from './visit.ts'
import { readWholeBody } from './whole-body.ts'

/** Told what happens; must not throw. */
export interface DataPlaneHooks {
  /** A request is over; with what it and its answer were. */
  finished?(record: RequestRecord, visit: Pick<Visit, 'req' | 'res' | 'trace'>): void
  /** The gate, the books or an upstream failed. `code` is that of the problem body. */
  fault?(code: string, error: unknown, route: RouteTerms): void
}

/** What {@link createDataPlane} takes. */
export interface DataPlaneOptions {
  readonly routing: Routing
  readonly gate: Gate
  readonly hooks?: DataPlaneHooks
  /**
   * Most connections to each upstream origin; as many as are needed if left out. With a limit, that many slow clients of
   * a free route keep everybody else waiting.
   */
  readonly connectionsPerOrigin?: number
  /** The operator's own proxies, asked for with every request; `undefined`: there are none. */
  readonly trustedProxies?: () => TrustedProxies | undefined
  /** Follows every request; `undefined`: nobody does. */
  readonly tracer?: RequestTracer | undefined
}

/** The way of every request through the gateway. */
export interface DataPlane {
  /** For the server's `request`, `checkContinue` and `checkExpectation` events; see `createPublicServer`. */
  readonly listener: (req: IncomingMessage, res: ServerResponse) => void
  /** Puts new routes in force, at once and as a whole; requests under way keep theirs. */
  swap(routing: Routing): void
  /** How many requests are under way. */
  inFlight(): number
  /** From now on every answer closes its connection. Resolves when no request is under way; may be asked again. */
  drain(): Promise<void>
  /** Closes the upstream connections; requests under way fail. */
  close(): Promise<void>
}

/** A request that has a route. */
interface Going {
  readonly visit: Visit
  readonly head: RequestHead
  readonly route: ProxyRoute
  readonly client: ClientFacts
  /** The body, where it had to be read before the gate could decide. */
  readonly body?: Buffer
  /** Path and query for the upstream. */
  readonly url: string
}

/**
 * Makes the data plane: reads each request in one way, asks the gate, and carries it to the upstream.
 *
 * @throws TypeError for routing in which a host has two tables.
 */
export function createDataPlane(options: DataPlaneOptions): DataPlane {
  const { gate, hooks = {}, tracer } = options
  const pools = new UpstreamPools(options.connectionsPerOrigin)
  let hosts: HostFinder = compileRouting(options.routing)
  let inFlight = 0
  let lastAnswers: LastAnswers | undefined
  let idle: PromiseWithResolvers<void> | undefined

  function listener(req: IncomingMessage, res: ServerResponse): void {
    if (lastAnswers !== undefined && !lastAnswers.admit(req, res)) return
    const visit = new Visit(req, res)
    if (tracer !== undefined) visit.trace = tracer.begin(req)
    inFlight++
    const onClose = (): void => {
      if (visit.closed) return
      visit.closed = true
      req.socket.off('close', onClose)
      if (!res.writableFinished) visit.exchange?.clientGone()
      inFlight--
      if (inFlight === 0) {
        idle?.resolve()
        idle = undefined
      }
      if (visit.trace === undefined && hooks.finished === undefined) return
      const record = visit.record()
      visit.trace?.end(record)
      hooks.finished?.(record, visit)
    }
    res.on('error', ignore)
    res.once('close', onClose)
    // A pipelined request's answer has no socket yet and would not hear of its end.
    if (res.socket === null) req.socket.setMaxListeners(0).once('close', onClose)
    receive(visit)
  }

  function receive(visit: Visit): void {
    const { req } = visit
    const { method = '', rawHeaders } = req
    const head = readHead(rawHeaders, req.httpVersion)
    if (!head.ok) {
      visit.answerBadHead(head.detail)
      return
    }
    const found = findTarget(hosts, req, head)
    if ('code' in found) {
      visit.answer(found, head)
      return
    }
    visit.path = found.path
    if (found.path === BALANCE_PATH) {
      answerBalance(gate, visit, head)
      return
    }
    if (method === 'OPTIONS') {
      answerOptions(visit, head, found)
      return
    }
    const { route } = found
    visit.route = route?.terms
    if (route === undefined || head.upgrade === 'websocket') {
      visit.answer(route === undefined ? NO_ROUTE : NO_WEBSOCKET, head)
      return
    }
    const client = clientFacts(req, visit.peer, { host: head.host, trusted: options.trustedProxies?.() })
    visit.clientAddress = client.address
    const request: GateRequest = {
      method,
      path: found.path,
      headers: rawHeaders,
      clientAddress: client.address,
      route: route.terms,
      base: `${client.scheme}://${client.host}`,
    }
    const url = `${route.upstream.basePath}${found.path}${found.query}`
    if (gate.wantsDigest(request))
      void decideOnContent({ visit, head, route, url, client }, request, found.query)
    else decide({ visit, head, route, url, client }, request)
  }

  /** What comes again with the same `Idempotency-Key` must ask for the same: its whole body is needed first (rule 10). */
  async function decideOnContent(going: Going, request: GateRequest, query: string): Promise<void> {
    const { visit, head, route } = going
    visit.wantBody(head)
    const body = head.hasBody
      ? await readWholeBody(visit.req, { mostBytes: DIGEST_BYTES, timeoutMs: route.timeoutMs })
      : ({ state: 'whole', bytes: Buffer.alloc(0) } as const)
    if (visit.closed || body.state === 'gone') return
    if (body.state === 'whole') {
      const contentDigest = digestContent(query, body.bytes)
      decide(head.hasBody ? { ...going, body: body.bytes } : going, { ...request, contentDigest })
      return
    }
    visit.res.shouldKeepAlive = false
    const detail = `expected at most ${DIGEST_BYTES} bytes with an Idempotency-Key`
    visit.answer(body.state === 'late' ? BODY_LATE : { code: 'body_too_large', detail }, head)
  }

  function decide(going: Going, request: GateRequest): void {
    let decision: Decision | Promise<Decision>
    try {
      const { trace } = going.visit
      decision = trace === undefined ? gate.decide(request) : trace.decide(() => gate.decide(request))
    } catch (error) {
      fail(going, error)
      return
    }
    if ('then' in decision) {
      decision.then(
        (decided) => act(going, decided),
        (error: unknown) => fail(going, error),
      )
    } else act(going, decision)
  }

  function act(going: Going, decision: Decision): void {
    const { visit, head } = going
    if (decision.outcome === 'refuse') {
      visit.outcome = 'refused'
      visit.code = decision.reason
      if (visit.closed) return
      visit.leaveBody(head)
      sendRefused(visit.res, decision, head)
      return
    }
    if (decision.outcome === 'replay') {
      visit.outcome = 'replayed'
      visit.paid = true
      if (visit.closed) return
      visit.leaveBody(head)
      sendStored(visit.res, decision.answer, head)
      return
    }
    visit.paid = decision.entitlement !== null
    visit.tokenId = decision.entitlement?.tokenId
    if (visit.closed) void decision.entitlement?.release()
    else proxy(going, decision.entitlement)
  }

  function proxy({ visit, head, route, url, client, body }: Going, entitlement: Entitlement | null): void {
    const { req, res } = visit
    visit.outcome = 'proxied'
    visit.wantBody(head)
    const own = upstreamLines(req.rawHeaders, { route, head, client, entitlement })
    const lines = visit.trace === undefined ? own : visit.trace.forward(own)
    visit.sentAt = performance.now()
    visit.exchange = new Exchange({
      req,
      res,
      entitlement,
      charge: route.terms.charge,
      timeoutMs: route.timeoutMs,
      body: body ?? (head.hasBody ? 'streamed' : null),
      crossOrigin: head.crossOrigin,
      onFault: (code, error) => {
        visit.code = code
        hooks.fault?.(code, error, route.terms)
      },
      onExhausted: () => {
        visit.code = 'exhausted'
      },
      onAnswered: () => {
        visit.answeredAt = performance.now()
        visit.trace?.answered()
      },
    })
    visit.exchange.dispatch(pools.of(route.upstream.origin), url, lines)
  }

  function fail({ visit, head, route }: Going, error: unknown): void {
    hooks.fault?.(INTERNAL.code, error, route.terms)
    if (!visit.closed) visit.answer(INTERNAL, head)
  }

  return {
    listener,
    swap(routing) {
      hosts = compileRouting(routing)
      pools.keepOnly(hosts.origins)
    },
    inFlight: () => inFlight,
    drain() {
      lastAnswers ??= new LastAnswers()
      if (inFlight === 0) return Promise.resolve()
      idle ??= Promise.withResolvers<void>()
      return idle.promise
    },
    close: () => pools.destroy(),
  }
}

function findTarget(hosts: HostFinder, req: IncomingMessage, head: RequestHead): FoundRoute | OwnProblem {
  const { method = '' } = req
  if (method === 'TRACE' || method === 'CONNECT') return methodNotAllowed(method)
  if (head.expect !== undefined && head.expect !== '100-continue') return BAD_EXPECTATION
  return findRoute(hosts, req, head)
}

/** Answered here, never charged and never passed on (rule S8). */
function answerOptions(visit: Visit, head: RequestHead, { path, route, routes }: FoundRoute): void {
  const known = routes.methodsFor(path)
  if (known.length === 0) {
    visit.answer(NO_ROUTE, head)
    return
  }
  const requested = visit.req.headers['access-control-request-headers'] ?? ''
  visit.leaveBody(head)
  sendNothing(visit.res, optionsLines(known, head.crossOrigin && route !== undefined ? requested : undefined))
}

function ignore(): void {}
