/** A real gRPC service of all four kinds, and a client for it: bytes in, bytes out. */

import * as grpc from '@grpc/grpc-js'
import { cleanups } from './harness.ts'

const plain = {
  requestSerialize: (bytes: Buffer): Buffer => bytes,
  requestDeserialize: (bytes: Buffer): Buffer => bytes,
  responseSerialize: (bytes: Buffer): Buffer => bytes,
  responseDeserialize: (bytes: Buffer): Buffer => bytes,
}

/** `/paid.Echo/…`: a unary call, and streams one way, the other and both. */
export const ECHO = {
  Unary: { path: '/paid.Echo/Unary', requestStream: false, responseStream: false, ...plain },
  Up: { path: '/paid.Echo/Up', requestStream: true, responseStream: false, ...plain },
  Down: { path: '/paid.Echo/Down', requestStream: false, responseStream: true, ...plain },
  Both: { path: '/paid.Echo/Both', requestStream: true, responseStream: true, ...plain },
} as const

type Echo = Record<keyof typeof ECHO, grpc.UntypedHandleCall>

/** Starts the service; what a handler is not given for echoes. `port` as text is what a client is to ask. */
export async function startGrpcServer(
  handlers: Partial<Echo> = {},
  credentials: grpc.ServerCredentials = grpc.ServerCredentials.createInsecure(),
): Promise<{ readonly port: number; readonly seen: grpc.Metadata[] }> {
  const server = new grpc.Server()
  const seen: grpc.Metadata[] = []
  const tail = new grpc.Metadata()
  tail.set('x-tail', 'end')
  const echo: Echo = {
    Unary(call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) {
      seen.push(call.metadata)
      done(null, call.request, tail)
    },
    Up(call: grpc.ServerReadableStream<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) {
      seen.push(call.metadata)
      const parts: Buffer[] = []
      call.on('data', (part: Buffer) => parts.push(part))
      call.on('end', () => done(null, Buffer.concat(parts), tail))
    },
    Down(call: grpc.ServerWritableStream<Buffer, Buffer>) {
      seen.push(call.metadata)
      for (const byte of call.request) call.write(Buffer.of(byte))
      call.end(tail)
    },
    Both(call: grpc.ServerDuplexStream<Buffer, Buffer>) {
      seen.push(call.metadata)
      call.on('data', (part: Buffer) => call.write(part))
      call.on('end', () => call.end(tail))
    },
    ...handlers,
  }
  server.addService(ECHO, echo)
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => {
      if (error === null) resolve(bound)
      else reject(error)
    })
  })
  cleanups.push(async () => server.forceShutdown())
  return { port, seen }
}

/** A client; closed after the test. */
export function grpcClient(
  port: number,
  credentials: grpc.ChannelCredentials = grpc.credentials.createInsecure(),
): grpc.Client {
  const client = new grpc.Client(`localhost:${port}`, credentials, { 'grpc.enable_retries': 0 })
  cleanups.push(async () => client.close())
  return client
}

/** How one call came out. */
export interface Called {
  readonly code: number
  readonly details: string
  readonly parts: readonly string[]
  readonly trailers: Record<string, grpc.MetadataValue>
}

/** Makes one call, whatever its kind, and reads all of it. */
export function callGrpc(
  client: grpc.Client,
  kind: keyof typeof ECHO,
  { parts, metadata = {}, deadlineMs }: CallOptions,
): Promise<Called> {
  const { path, requestSerialize, responseDeserialize, requestStream, responseStream } = ECHO[kind]
  const sent = new grpc.Metadata()
  for (const [name, value] of Object.entries(metadata)) sent.set(name, value)
  const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs }
  const [first = ''] = parts
  return new Promise((resolve) => {
    const got: string[] = []
    const onStatus = ({ code, details, metadata: trailers }: grpc.StatusObject): void =>
      resolve({ code, details, parts: got, trailers: trailers.getMap() })
    const onPart = (part: Buffer | undefined): void => {
      if (part !== undefined) got.push(part.toString())
    }
    const onDone = (_: unknown, part?: Buffer): void => onPart(part)
    if (requestStream && responseStream) {
      const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, sent, options)
      call
        .on('data', onPart)
        .on('error', () => {})
        .on('status', onStatus)
      for (const part of parts) call.write(Buffer.from(part))
      call.end()
    } else if (requestStream) {
      const call = client.makeClientStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        sent,
        options,
        onDone,
      )
      call.on('status', onStatus)
      for (const part of parts) call.write(Buffer.from(part))
      call.end()
    } else if (responseStream) {
      const args = [path, requestSerialize, responseDeserialize, Buffer.from(first), sent, options] as const
      client
        .makeServerStreamRequest(...args)
        .on('data', onPart)
        .on('error', () => {})
        .on('status', onStatus)
    } else {
      const args = [path, requestSerialize, responseDeserialize, Buffer.from(first), sent, options] as const
      client.makeUnaryRequest(...args, onDone).on('status', onStatus)
    }
  })
}

interface CallOptions {
  readonly parts: readonly string[]
  readonly metadata?: Readonly<Record<string, string>>
  readonly deadlineMs?: number
}
