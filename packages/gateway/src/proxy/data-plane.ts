import { METHODS as KNOWN_METHODS } from 'node:http'
import {
  addressDenied,
  type Decision,
  DIGEST_BYTES,
  digestsOf,
  type Entitlement,
  type Gate,
  type GateRequest,
  type HeldSale,
  PAGE_PATH,
  PRICED_BODY_BYTES,
  type Refused,
} from '@turnpike/l402/server'
import { answerOptions } from './answer-options.ts'
import { sendRefused, sendStored } from './answers.ts'
import { askedProblem, spelledOtherwise } from './asked.ts'
import { answerBalance } from './balance.ts'
import { BALANCE_PATH } from './balance-path.ts'
import { readBodyHead } from './body-head.ts'
import { type ClientFacts, clientFacts } from './client-facts.ts'
import type { ClientAnswer, ClientRequest } from './client-side.ts'
import { crossOriginOf } from './cross-origin.ts'
import type { DataPlane, DataPlaneOptions } from './data-plane-types.ts'
import { Destinations } from './destinations.ts'
import { answerDocument, isDocument } from './document.ts'
import { comesTooLate, makeLast } from './end-of-connection.ts'
import { Exchange } from './exchange.ts'
import { FileMiss } from './file-miss.ts'
import { findTarget, upgradeProblem } from './find-route.ts'
import { LastAnswers } from './last-answers.ts'
import { BODY_LATE, bodyTooLarge, INTERNAL, NO_ROUTE, NOT_KEPT, OTHER_SPELLING } from './own-problems.ts'
import { answerPageForm } from './page-form.ts'
import { withPriceFacts } from './price-facts.ts'
import { type RequestHead, readHead, upstreamLines } from './request-head.ts'
import { compileRouting, type HostFinder, type ProxyRoute } from './routing.ts'
import { stripPrefix } from './strip-prefix.ts'
import type { Upgrade } from './tunnel.ts'
import { GroupedUpstream } from './upstream-group.ts'
import { UpstreamPools } from './upstream-pools.ts'
import { Visit } from './visit.ts'
import { readWholeBody } from './whole-body.ts'

const METHODS: ReadonlySet<string> = new Set(KNOWN_METHODS)

/** A request that has a route. */
interface Going {
  readonly visit: Visit
  readonly head: RequestHead
  readonly route: ProxyRoute
  readonly client: ClientFacts
  /** The body, where it had to be read before the gate could decide. */
  readonly body?: Buffer
  /** What decides, where new routes may have come since the request did. */
  readonly gate?: Pick<Gate, 'decide'>
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
  const destinations = new Destinations(
    new UpstreamPools(options.connectionsPerOrigin),
    hooks.upstreamState?.bind(hooks),
  )
  let hosts: HostFinder = compileRouting(options.routing)
  destinations.keepOnly(hosts)
  let inFlight = 0
  let lastAnswers: LastAnswers | undefined
  let idle: PromiseWithResolvers<void> | undefined

  function listener(req: ClientRequest, res: ClientAnswer, upgrade?: Upgrade): void {
    if (comesTooLate(req, res) || lastAnswers?.admit(req, res) === false) return
    begin(new Visit(req, res, upgrade))
  }

  function begin(visit: Visit): void {
    const { req, res } = visit
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
    const head = readHead(rawHeaders, req.httpVersion, req.hasBody)
    if (!head.ok) {
      visit.answerBadHead(head.detail)
      return
    }
    // HTTP/1's parser knows these methods and no others.
    if (req.hasBody !== undefined && !METHODS.has(method)) {
      visit.answerBadHead('the method is none that HTTP knows')
      return
    }
    const denies = options.denied?.()
    if (denies?.(addressOf(visit, head)) === true) {
      refuseAddress(visit, head)
      return
    }
    const found = findTarget(hosts, req, head)
    if ('code' in found) {
      visit.answer(found, head)
      return
    }
    visit.path = found.path
    if (visit.admit !== undefined && spelledOtherwise(req.url ?? '', found.path)) {
      visit.answer(OTHER_SPELLING, head)
      return
    }
    if (found.path === BALANCE_PATH || isDocument(found, method) || found.path === PAGE_PATH) {
      const { scheme, host } = clientFacts(req, visit.peer, {
        host: head.host,
        trusted: options.trustedProxies?.(),
      })
      const base = `${scheme}://${host}`
      if (found.path === BALANCE_PATH) {
        answerBalance(gate, visit, { head, base })
        return
      }
      if (found.path === PAGE_PATH) {
        void answerPageForm(gate, visit, head, base)
        return
      }
      if (answerDocument(found, visit, { head, base })) return
    }
    if (method === 'OPTIONS') {
      answerOptions(visit, head, found)
      return
    }
    const { route } = found
    visit.route = route?.terms
    if (route === undefined) {
      visit.answer(NO_ROUTE, head)
      return
    }
    if (visit.upgrade !== undefined) {
      const problem = upgradeProblem(head, route)
      if (problem !== undefined) {
        visit.answer(problem, head)
        return
      }
    }
    const client = clientFacts(req, visit.peer, { host: head.host, trusted: options.trustedProxies?.() })
    visit.clientAddress = client.address
    const plain: GateRequest = {
      method,
      path: found.path,
      headers: rawHeaders,
      clientAddress: client.address,
      route: route.terms,
      base: `${client.scheme}://${client.host}`,
      ...(req.held === true ? { held: true } : {}),
    }
    if (route.bodyLimit !== undefined && head.bodyLength > route.bodyLimit) {
      visit.answer(bodyTooLarge(route.bodyLimit), head)
      return
    }
    const request = withPriceFacts(plain, head, found.query)
    const path = route.stripPrefix === undefined ? found.path : stripPrefix(found.path, route.stripPrefix)
    const url = `${route.upstream.basePath}${path}${found.query}`
    if (visit.admit !== undefined) {
      const problem = askedProblem(rawHeaders, route, head)
      if (problem === undefined) decide({ visit, head, route, url, client }, request)
      else visit.answer(problem, head)
    } else if (gate.wantsDigest(request))
      void decideOnContent({ visit, head, route, url, client }, request, found.query)
    else if (head.hasBody && route.terms.pricer?.readsBody === true)
      void decideOnHead({ visit, head, route, url, client }, request)
    else decide({ visit, head, route, url, client }, request)
  }

  function addressOf({ req, peer }: Visit, { host }: RequestHead): string {
    return clientFacts(req, peer, { host, trusted: options.trustedProxies?.() }).address
  }

  /** A request whose body is waited for keeps its routes, and so the gate that knows them. */
  function pinned(going: Going): Going {
    return gate.pinned === undefined ? going : { ...going, gate: gate.pinned() }
  }

  /**
   * What comes again with the same `Idempotency-Key` must ask for the same: its whole body is needed first (rule 10). So it is
   * where a challenge of the Payment scheme is bound to it.
   */
  async function decideOnContent(found: Going, request: GateRequest, query: string): Promise<void> {
    const going = pinned(found)
    const { visit, head, route } = going
    visit.wantBody(head)
    const mostBytes = Math.min(DIGEST_BYTES, route.bodyLimit ?? DIGEST_BYTES)
    const body = head.hasBody
      ? await readWholeBody(visit.req, { mostBytes, timeoutMs: route.timeoutMs })
      : ({ state: 'whole', bytes: Buffer.alloc(0) } as const)
    if (visit.closed || body.state === 'gone') return
    if (body.state === 'whole') {
      const bodyHead = body.bytes.subarray(0, PRICED_BODY_BYTES)
      const known = { ...request, ...digestsOf(query, body.bytes), bodyBytes: body.bytes.length }
      decide(
        head.hasBody ? { ...going, body: body.bytes } : going,
        route.terms.pricer?.readsBody === true && head.hasBody ? { ...known, bodyHead } : known,
      )
      return
    }
    makeLast(visit)
    const why =
      route.terms.hold === true
        ? 'on a route that is paid on delivery'
        : 'with an Idempotency-Key, or for a challenge that is bound to the body'
    const detail = `expected at most ${mostBytes} bytes ${why}`
    visit.answer(body.state === 'late' ? BODY_LATE : { code: 'body_too_large', detail }, head)
  }

  /** The price depends on how the body begins. What was read goes upstream with the rest of it. */
  async function decideOnHead(found: Going, request: GateRequest): Promise<void> {
    const going = pinned(found)
    const { visit, head, route } = going
    visit.wantBody(head)
    const { timeoutMs } = route
    const body = await readBodyHead(visit.req, { mostBytes: PRICED_BODY_BYTES, timeoutMs })
    if (visit.closed || body.state === 'gone') return
    if (body.state === 'late') {
      makeLast(visit)
      visit.answer(BODY_LATE, head)
      return
    }
    const priced = { ...request, bodyHead: body.bytes }
    if (body.state === 'head') decide(going, priced)
    else decide({ ...going, body: body.bytes }, { ...priced, bodyBytes: body.bytes.length })
  }

  function decide(going: Going, request: GateRequest): void {
    let decision: Decision | Promise<Decision>
    try {
      const { trace } = going.visit
      const by = going.gate ?? gate
      decision = trace === undefined ? by.decide(request) : trace.decide(() => by.decide(request))
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
    const { visit, head, route } = going
    const manner = { crossOrigin: crossOriginOf(head, route) }
    if (decision.outcome === 'refuse') {
      visit.outcome = 'refused'
      visit.code = decision.reason
      if (visit.closed) return
      if (decision.hold !== undefined) {
        void sellOnDelivery(going, decision, decision.hold)
        return
      }
      visit.leaveBody(head)
      sendRefused(visit.res, decision, manner)
      return
    }
    if (decision.outcome === 'replay') {
      visit.outcome = 'replayed'
      visit.paid = true
      if (visit.closed) return
      visit.leaveBody(head)
      visit.res.isKept?.()
      sendStored(visit.res, decision.answer, manner)
      return
    }
    const { entitlement } = decision
    visit.paid = entitlement !== null && entitlement.freebie !== true
    visit.shadow = decision.shadow
    visit.tokenId = visit.paid ? entitlement?.tokenId : undefined
    if (visit.closed) void entitlement?.release()
    else if (visit.admit !== undefined) {
      visit.outcome = 'admitted'
      visit.admit({ visit, head, route, entitlement })
    } else proxy(going, entitlement)
  }

  /** The request is kept before its challenge goes out: whoever pays must be served. */
  async function sellOnDelivery(going: Going, decision: Refused, sale: HeldSale): Promise<void> {
    const { visit, head, route, client, body = Buffer.alloc(0) } = going
    const { method = '', url = '', rawHeaders } = visit.req
    const { address: clientAddress, scheme } = client
    const held = { method, url, lines: [...rawHeaders], peer: visit.peer, clientAddress, scheme, body }
    const kept = (await options.holds?.keep(held, sale)) === true
    if (visit.closed) return
    if (kept) sendRefused(visit.res, decision, { crossOrigin: crossOriginOf(head, route) })
    else visit.answer(NOT_KEPT, head)
  }

  function proxy({ visit, head, route, url, client, body }: Going, entitlement: Entitlement | null): void {
    const { req, res } = visit
    visit.outcome = 'proxied'
    visit.wantBody(head)
    const own = upstreamLines(req.rawHeaders, { route, head, client, entitlement })
    const lines = visit.trace === undefined ? own : visit.trace.forward(own)
    visit.sentAt = performance.now()
    const upstream = destinations.of(route)
    visit.exchange = new Exchange({
      req,
      res,
      entitlement,
      charge: route.terms.charge,
      timeoutMs: route.timeoutMs,
      body: body ?? (head.hasBody ? 'streamed' : null),
      crossOrigin: crossOriginOf(head, route),
      grpc: head.grpc,
      upgrade: head.upgrade === 'websocket' ? visit.upgrade : undefined,
      bodyLimit: route.bodyLimit,
      answerEdits: route.answerEdits,
      onFault: (code, error) => {
        visit.code = code
        if (code === 'upstream_timeout' && upstream instanceof GroupedUpstream) upstream.timedOut()
        // The client's doing, or no fault at all.
        if (code === 'body_too_large' || (error instanceof FileMiss && code !== INTERNAL.code)) {
          visit.outcome = 'answered'
          return
        }
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
    visit.exchange.dispatch(upstream, url, lines)
  }

  function fail({ visit, head, route }: Going, error: unknown): void {
    hooks.fault?.(INTERNAL.code, error, route.terms)
    if (!visit.closed) visit.answer(INTERNAL, head)
  }

  return {
    listener,
    ask(req, res, admit) {
      const visit = new Visit(req, res, undefined)
      visit.admit = admit
      begin(visit)
    },
    swap(routing) {
      hosts = compileRouting(routing)
      destinations.keepOnly(hosts)
    },
    inFlight: () => inFlight,
    drain() {
      lastAnswers ??= new LastAnswers()
      if (inFlight === 0) return Promise.resolve()
      idle ??= Promise.withResolvers<void>()
      return idle.promise
    },
    upstreams: () => destinations.states(),
    close: () => destinations.destroy(),
  }
}

/** Nothing is answered to this address, whatever it asks for and pays. */
function refuseAddress(visit: Visit, head: RequestHead): void {
  const refused = addressDenied({ headers: visit.req.rawHeaders })
  visit.outcome = 'refused'
  visit.code = refused.reason
  visit.leaveBody(head)
  sendRefused(visit.res, refused, head)
}

function ignore(): void {}
