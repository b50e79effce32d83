/** The gRPC service behind the proxies: its unary calls give the message back. Prints its port. */
import * as grpc from '@grpc/grpc-js'

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
const echo = (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>): void =>
  done(null, call.request)

const server = new grpc.Server()
server.addService(
  { Free: method('/bench.Free/Echo'), Paid: method('/bench.Paid/Echo') },
  { Free: echo, Paid: echo },
)
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error
  process.stdout.write(`${port}\n`)
})
// Whoever started it is gone.
process.stdin.resume().on('end', () => process.exit())
