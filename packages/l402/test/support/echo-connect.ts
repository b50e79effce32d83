/** A Connect service of all four kinds on a real socket, and calls of it over each protocol: text in, text out. */

import { createServer as createHttp1 } from 'node:http'
import { createServer as createHttp2 } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { create, createFileRegistry } from '@bufbuild/protobuf'
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  file_google_protobuf_wrappers,
} from '@bufbuild/protobuf/wkt'
import { ConnectError, createClient, type Interceptor, type Transport } from '@connectrpc/connect'
import {
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node'

const text = '.google.protobuf.StringValue'
const method = (name: string, clientStreaming: boolean, serverStreaming: boolean) => ({
  name,
  clientStreaming,
  serverStreaming,
  inputType: text,
  outputType: text,
})
const registry = createFileRegistry(
  create(FileDescriptorSetSchema, {
    file: [
      file_google_protobuf_wrappers.proto,
      create(FileDescriptorProtoSchema, {
        name: 'echo.proto',
        package: 'echo',
        syntax: 'proto3',
        dependency: ['google/protobuf/wrappers.proto'],
        service: [
          {
            name: 'Echo',
            method: [
              method('Unary', false, false),
              method('Up', true, false),
              method('Down', false, true),
              method('Both', true, true),
            ],
          },
        ],
      }),
    ],
  }),
)
const found = registry.getService('echo.Echo')
if (!found) throw new Error('the service is not described')
const Echo = found

interface Text {
  readonly value: string
}

/** The handlers, and what a client of the service has. */
interface EchoMethods {
  unary(request: Text, options?: { signal?: AbortSignal }): Promise<Text>
  up(requests: AsyncIterable<Text>): Promise<Text>
  down(request: Text): AsyncIterable<Text>
  both(requests: AsyncIterable<Text>): AsyncIterable<Text>
}

const handlers: EchoMethods = {
  unary: async (request) => ({ value: request.value }),
  async up(requests) {
    let value = ''
    for await (const request of requests) value += request.value
    return { value }
  },
  async *down(request) {
    for (const value of request.value) yield { value }
  },
  async *both(requests) {
    for await (const { value } of requests) yield { value }
  },
}

/** Starts the service over HTTP/2 without TLS, or HTTP/1.1; answers its port and how to stop it. */
export async function startConnect(
  interceptors: Interceptor[] = [],
  httpVersion: '1.1' | '2' = '2',
): Promise<{ readonly port: number; close(): void }> {
  const routes = connectNodeAdapter({
    interceptors,
    routes: (router) => router.service(Echo, handlers as object),
  })
  const sessions = new Set<{ destroy(): void }>()
  const server = httpVersion === '2' ? createHttp2(routes) : createHttp1(routes)
  server.on(httpVersion === '2' ? 'session' : 'connection', (one: { destroy(): void }) => sessions.add(one))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      server.close()
      for (const one of sessions) one.destroy()
    },
  }
}

/** Protocols and the HTTP under them. */
export const PROTOCOLS = ['Connect', 'Connect over HTTP/1.1', 'gRPC', 'gRPC-Web'] as const
export type Protocol = (typeof PROTOCOLS)[number]
export const KINDS = ['unary', 'up', 'down', 'both'] as const

/** A client over one protocol. */
export function connectClient(
  protocol: Protocol,
  { port, interceptors }: { readonly port: number; readonly interceptors: Interceptor[] },
): EchoMethods {
  const options = { baseUrl: `http://127.0.0.1:${port}`, interceptors }
  const transports: Record<Protocol, () => Transport> = {
    Connect: () => createConnectTransport({ ...options, httpVersion: '2' }),
    'Connect over HTTP/1.1': () => createConnectTransport({ ...options, httpVersion: '1.1' }),
    gRPC: () => createGrpcTransport(options),
    'gRPC-Web': () => createGrpcWebTransport({ ...options, httpVersion: '2' }),
  }
  return createClient(Echo, transports[protocol]()) as unknown as EchoMethods
}

async function* sentOf(parts: readonly string[]): AsyncIterable<Text> {
  for (const value of parts) yield { value }
}

/** Makes a call of one kind; answers its text, or the error it ended with. */
export async function callConnect(
  client: EchoMethods,
  kind: (typeof KINDS)[number],
  parts: readonly string[] = ['hi'],
): Promise<string | ConnectError> {
  const whole = { value: parts.join('') }
  try {
    if (kind === 'unary') return (await client.unary(whole)).value
    if (kind === 'up') return (await client.up(sentOf(parts))).value
    let value = ''
    const answers = kind === 'down' ? client.down(whole) : client.both(sentOf(parts))
    for await (const answer of answers) value += answer.value
    return value
  } catch (error) {
    return ConnectError.from(error)
  }
}
