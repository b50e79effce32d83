/** The servers of remote calls whose adapters are measured, asked in gRPC: each gives a message back. */
import { createServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { create, toBinary } from '@bufbuild/protobuf'
import { fileDesc, type GenService, serviceDesc } from '@bufbuild/protobuf/codegenv2'
import {
  type EmptySchema,
  FileDescriptorProtoSchema,
  file_google_protobuf_empty,
} from '@bufbuild/protobuf/wkt'
import type { ConnectRouter } from '@connectrpc/connect'
import { connectNodeAdapter } from '@connectrpc/connect-node'
import * as grpc from '@grpc/grpc-js'
import { type ConnectListener, l402 as connectL402 } from '@turnpike/l402/connect'
import { l402 as grpcL402 } from '@turnpike/l402/grpc'
import { CALL, options, PASS } from './adapter-terms.ts'

/** Where calls of each kind are answered: `host:port` and the method. */
export type RpcTargets = Readonly<
  Record<'bare' | 'pass' | 'call', { readonly port: number; readonly path: string }>
>

const offerOf = ({ name: _, ...offer }: typeof PASS | typeof CALL) => offer
const METHODS = { '/bench.Bench/Pass': offerOf(PASS), '/bench.Bench/Call': offerOf(CALL) }

function targetsOf(bare: number, paid: number): RpcTargets {
  return {
    bare: { port: bare, path: '/bench.Bench/Pass' },
    pass: { port: paid, path: '/bench.Bench/Pass' },
    call: { port: paid, path: '/bench.Bench/Call' },
  }
}

async function grpcServers(): Promise<RpcTargets> {
  const asIs = (bytes: Buffer): Buffer => bytes
  const method = (path: string) => ({
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  })
  const echo: grpc.handleUnaryCall<Buffer, Buffer> = ({ request }, done) => done(null, request)
  const listening = async (interceptors: grpc.ServerInterceptor[]): Promise<number> => {
    const server = new grpc.Server({ interceptors })
    server.addService(
      { pass: method('/bench.Bench/Pass'), call: method('/bench.Bench/Call') },
      { pass: echo, call: echo },
    )
    return promisify(server.bindAsync.bind(server))('127.0.0.1:0', grpc.ServerCredentials.createInsecure())
  }
  return targetsOf(await listening([]), await listening([grpcL402(options)(METHODS)]))
}

type Empty = typeof EmptySchema
type Unary = { methodKind: 'unary'; input: Empty; output: Empty }

async function connectServers(): Promise<RpcTargets> {
  const empty = '.google.protobuf.Empty'
  const file = create(FileDescriptorProtoSchema, {
    name: 'bench.proto',
    package: 'bench',
    syntax: 'proto3',
    dependency: ['google/protobuf/empty.proto'],
    service: [
      {
        name: 'Bench',
        method: ['Pass', 'Call'].map((name) => ({ name, inputType: empty, outputType: empty })),
      },
    ],
  })
  const encoded = Buffer.from(toBinary(FileDescriptorProtoSchema, file)).toString('base64')
  const bench: GenService<{ pass: Unary; call: Unary }> = serviceDesc(
    fileDesc(encoded, [file_google_protobuf_empty]),
    0,
  )
  // What an empty message holds is unknown to it, and goes back as it came.
  const routes = (router: ConnectRouter): void =>
    void router.service(bench, { pass: (request) => request, call: (request) => request })
  const listening = (listener: ConnectListener): Promise<number> =>
    new Promise((resolve) => {
      const server = createServer(listener).listen(0, '127.0.0.1', () =>
        resolve((server.address() as AddressInfo).port),
      )
    })
  return targetsOf(
    await listening(connectNodeAdapter({ routes })),
    await listening(connectL402(options)(METHODS, { routes })),
  )
}

/** By name. */
export const rpcServers: Readonly<Record<string, () => Promise<RpcTargets>>> = {
  grpc: grpcServers,
  connect: connectServers,
}
