/** The listener that Envoy asks over gRPC: `envoy.service.auth.v3.Authorization/Check`. */

import { isIP } from 'node:net'
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js'
import { type HeaderLines, isCredentialLine } from '@turnpike/l402'
import type { RouteTerms } from '@turnpike/l402/server'
import { CommandError, exitCode } from '../cli/exit.ts'
import type { ListenAddress } from '../config/config.ts'
import {
  type Admitted,
  type AskedAnswer,
  type AskedFacts,
  AskedReply,
  AskedRequest,
  type DataPlane,
} from '../proxy/index.ts'
import { admit } from './admit.ts'
import { deniedStatus } from './denied-status.ts'
import {
  authorizationService,
  type CheckRequest,
  type CheckResponse,
  type HeaderOption,
} from './ext-authz.ts'

/** What Envoy is answered from. */
export interface EnvoyServerOptions {
  readonly listen: ListenAddress
  readonly plane: Pick<DataPlane, 'ask'>
  /** Whether an address may ask at all. */
  readonly trusted: (address: string) => boolean
  readonly fault: (code: string, error: unknown, route: RouteTerms) => void
}

/** The running listener. */
export interface EnvoyServer {
  /** `host:port`, with the real port. */
  readonly address: string
  /** Takes no more questions, and answers those that run. */
  stop(): void
  /** Cuts off what still runs. */
  close(): void
}

const OURS = ['x-l402-token-id', 'x-l402-service', 'x-l402-payment-hash']

/** Starts listening. Throws `CommandError` where the address cannot be had. */
export async function startEnvoyServer(options: EnvoyServerOptions): Promise<EnvoyServer> {
  const server = new Server({ 'grpc.max_receive_message_length': 1024 * 1024 })
  server.addService(authorizationService(), {
    Check(call: ServerUnaryCall<CheckRequest, CheckResponse>, done: sendUnaryData<CheckResponse>) {
      check(call, done, options)
    },
  })
  const { host, port } = options.listen
  const shown = host.includes(':') ? `[${host}]` : host
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${shown}:${port}`, ServerCredentials.createInsecure(), (error, real) => {
      if (error === null) resolve(real)
      else
        reject(
          new CommandError(
            exitCode.failed,
            `cannot listen on ${shown}:${port} for Envoy; choose another port`,
          ),
        )
    })
  })
  return {
    address: `${shown}:${bound}`,
    stop: () => server.tryShutdown(() => {}),
    close: () => server.forceShutdown(),
  }
}

function check(
  call: ServerUnaryCall<CheckRequest, CheckResponse>,
  done: sendUnaryData<CheckResponse>,
  { plane, trusted, fault }: EnvoyServerOptions,
): void {
  if (!trusted(peerOf(call.getPeer()))) {
    done({
      code: status.PERMISSION_DENIED,
      details: 'this listener answers the addresses in forwardAuth.trusted only',
    })
    return
  }
  const facts = readCheck(call.request)
  if (facts === undefined) {
    done({
      code: status.INVALID_ARGUMENT,
      details: 'expected an HTTP request with method, path, host and source',
    })
    return
  }
  let admitted: Admitted | undefined
  let answered = false
  const asked = new AskedRequest(facts)
  const reply = new AskedReply(asked, (answer) => {
    done(null, answer.pass ? passResponse(answer.lines, facts.lines, admitted) : denyResponse(answer))
    answered = true
    setImmediate(() => reply.over(true))
  })
  // Also told of a call that has its answer.
  call.on('cancelled', () => reply.over(answered))
  plane.ask(asked, reply, (found) => {
    const passing = (passed: Admitted): void => {
      admitted = passed
    }
    void admit(found, { reply, fault, passing })
  })
}

/** What Envoy says of the request; `undefined` where that is not enough. */
function readCheck({ attributes }: CheckRequest): AskedFacts | undefined {
  const http = attributes?.request?.http
  const address = attributes?.source?.address?.socketAddress?.address.toLowerCase() ?? ''
  if (http === null || http === undefined || http.method === '' || http.path === '' || http.host === '')
    return undefined
  if (isIP(address) === 0) return undefined
  const raw = http.headerMap?.headers ?? []
  const all: readonly (readonly [string, string])[] =
    raw.length > 0
      ? raw.map(({ key, value, rawValue = new Uint8Array() }) => [
          key,
          rawValue.length > 0 ? Buffer.from(rawValue).toString('latin1') : value,
        ])
      : Object.entries(http.headers)
  const lines: string[] = []
  let forwardedFor = ''
  for (const [name, value] of all) {
    const lower = name.toLowerCase()
    if (lower === 'x-forwarded-for') forwardedFor = forwardedFor === '' ? value : `${forwardedFor}, ${value}`
    else if (!DROPPED.test(lower)) lines.push(name, value)
  }
  return {
    method: http.method,
    target: http.path,
    host: http.host.toLowerCase(),
    scheme: http.scheme === 'https' ? 'https' : 'http',
    peer: address,
    forwardedFor,
    bodyLength: Number(http.size) >= 0 ? Number(http.size) : undefined,
    lines,
  }
}

/** Pseudo-fields, framing, and what nobody but the gateway may say. */
const DROPPED =
  /^(?::.*|host|connection|keep-alive|proxy-.*|te|transfer-encoding|content-length|expect|upgrade|forwarded|x-real-ip|x-forwarded-.*|x-envoy-.*|x-l402-.*)$/

function passResponse(
  lines: HeaderLines,
  asked: readonly string[],
  admitted: Admitted | undefined,
): CheckResponse {
  const upstream: HeaderOption[] = []
  const client: HeaderOption[] = []
  for (let i = 0; i < lines.length; i += 2) {
    const key = (lines[i] ?? '').toLowerCase()
    const list = OURS.includes(key) ? upstream : client
    list.push(option(key, lines[i + 1] ?? ''))
  }
  const said = new Set(upstream.map(({ header }) => header.key))
  const removed = new Set(OURS.filter((name) => !said.has(name)))
  if (admitted?.route.forwardCredential !== true) {
    removed.add('dpop')
    for (let i = 0; i < asked.length; i += 2) {
      const name = asked[i] ?? ''
      if (isCredentialLine(name, asked[i + 1] ?? '')) removed.add(name.toLowerCase())
    }
  }
  return {
    status: { code: status.OK },
    okResponse: { headers: upstream, headersToRemove: [...removed], responseHeadersToAdd: client },
  }
}

function denyResponse({ status: code, lines, body }: AskedAnswer): CheckResponse {
  const headers: HeaderOption[] = []
  for (let i = 0; i < lines.length; i += 2)
    headers.push(option((lines[i] ?? '').toLowerCase(), lines[i + 1] ?? ''))
  // What is no refusal reaches the client all the same: Envoy goes by `status` above.
  return {
    status: { code: status.PERMISSION_DENIED },
    deniedResponse: {
      status: { code: deniedStatus({ status: code, lines }) ?? code },
      headers,
      body: body.toString('utf8'),
    },
  }
}

function option(key: string, value: string): HeaderOption {
  return { header: { key, value }, append: { value: false } }
}

/** The address of `127.0.0.1:4711` or `[::1]:4711`. */
function peerOf(text: string): string {
  const address = /^\[?([0-9A-Fa-f:.]+?)\]?:[0-9]+$/.exec(text)?.[1] ?? ''
  return address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address
}
