/** A gRPC service of all four kinds behind this library's own server adapter, and a client of it: bytes in, bytes out. */

import * as grpc from '@grpc/grpc-js'
import { l402 } from '../../src/adapters/grpc.ts'
import type { InvoiceBackend } from '../../src/lightning/backend.ts'
import { memoryStore } from '../../src/stores/memory/index.ts'

const bytes = (value: Buffer): Buffer => value
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/echo.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
})

/** The methods: one message each way, many up, many down, many both ways. */
export const ECHO = {
  unary: method('Unary', false, false),
  up: method('Up', true, false),
  down: method('Down', false, true),
  both: method('Both', true, true),
}

/** A running service. */
export interface EchoService {
  readonly port: number
  readonly seen: grpc.Metadata[]
  /** What its handlers fail with from now on. */
  fails: number | undefined
  close(): void
}

/** Starts it; each payment of 1 sat buys two calls of a method, unless it is to be free. */
export async function startEcho(lightning: InvoiceBackend | null): Promise<EchoService> {
  const calls = { price: '1 sat', grants: { calls: 2 } }
  const toll =
    lightning &&
    l402({
      lightning,
      store: memoryStore(),
      keys: [{ id: 'k1', masterKey: new Uint8Array(32).fill(1), active: true }],
      services: { echo: {} },
    })(Object.fromEntries(Object.values(ECHO).map(({ path }) => [path, calls])))
  const server = new grpc.Server(toll ? { interceptors: [toll] } : {})
  const self: EchoService = { port: 0, seen: [], fails: undefined, close: () => server.forceShutdown() }
  const fault = ({ metadata }: { metadata: grpc.Metadata }): Error | null => {
    self.seen.push(metadata)
    return self.fails === undefined ? null : Object.assign(new Error('its own'), { code: self.fails })
  }
  server.addService(ECHO, {
    unary(call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) {
      done(fault(call), call.request)
    },
    up(call: grpc.ServerReadableStream<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) {
      const wrong = fault(call)
      const parts: Buffer[] = []
      call.on('data', (part: Buffer) => parts.push(part)).on('end', () => done(wrong, Buffer.concat(parts)))
    },
    down(call: grpc.ServerWritableStream<Buffer, Buffer>) {
      const wrong = fault(call)
      if (wrong !== null) return void call.emit('error', wrong)
      for (const byte of call.request) call.write(Buffer.of(byte))
      call.end()
    },
    both(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
      const wrong = fault(call)
      if (wrong !== null) return void call.emit('error', wrong)
      call.on('data', (part: Buffer) => call.write(part)).on('end', () => call.end())
    },
  })
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  )
  return Object.assign(self, { port })
}

/** How a call ended. */
export interface EchoOutcome {
  readonly code: number
  readonly details: string
  readonly text: string
  readonly error: grpc.ServiceError | null
}

/** Makes a call as its own kind of stub does. */
export function callEcho(
  client: grpc.Client,
  kind: keyof typeof ECHO,
  {
    parts = ['hi'],
    metadata = new grpc.Metadata(),
    options = {},
  }: {
    readonly parts?: readonly string[]
    readonly metadata?: grpc.Metadata
    readonly options?: grpc.CallOptions
  } = {},
): Promise<EchoOutcome> {
  const { path } = ECHO[kind]
  return new Promise((resolve) => {
    let text = ''
    let error: grpc.ServiceError | null = null
    const one = (wrong: grpc.ServiceError | null, part?: Buffer): void => {
      error = wrong
      text += part?.toString() ?? ''
    }
    const read = <C extends grpc.ClientReadableStream<Buffer>>(call: C): C => {
      call.on('data', (part: Buffer) => {
        text += part.toString()
      })
      return call.on('error', (wrong: grpc.ServiceError) => {
        error = wrong
      })
    }
    const write = <C extends grpc.ClientWritableStream<Buffer>>(call: C): C => {
      for (const part of parts) call.write(Buffer.from(part))
      call.end()
      return call
    }
    const first = Buffer.from(parts.join(''))
    const call =
      kind === 'unary'
        ? client.makeUnaryRequest(path, bytes, bytes, first, metadata, options, one)
        : kind === 'up'
          ? write(client.makeClientStreamRequest(path, bytes, bytes, metadata, options, one))
          : kind === 'down'
            ? read(client.makeServerStreamRequest(path, bytes, bytes, first, metadata, options))
            : write(read(client.makeBidiStreamRequest(path, bytes, bytes, metadata, options)))
    // The callback and the error event come within the same turn.
    call.on('status', ({ code, details }) => setImmediate(() => resolve({ code, details, text, error })))
  })
}
