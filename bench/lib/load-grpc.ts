/** gRPC load: unary calls by grpc-js clients, several under way on each connection. */
import * as grpc from '@grpc/grpc-js'
import { inLanes } from './lanes.ts'
import type { LoadOptions, LoadResult } from './load.ts'

const MESSAGE = Buffer.alloc(100, 'x')
const asIs = (bytes: Buffer): Buffer => bytes

/** One call at a time in each of `streams` lanes of each connection, for so long. Every call must end well. */
export async function performGrpc(options: LoadOptions): Promise<LoadResult> {
  const { url, authorization, connections, streams = 16, seconds, timed = 16 } = options
  const { host, pathname } = new URL(url)
  const metadata = new grpc.Metadata()
  if (authorization !== undefined) metadata.set('authorization', authorization)
  const ask = (client: grpc.Client): Promise<void> =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(pathname, asIs, asIs, MESSAGE, metadata, (error, answer) => {
        if (error !== null) reject(error)
        else if (answer?.length !== MESSAGE.length) reject(new Error('expected the message back'))
        else resolve()
      })
    })
  const clients = Array.from(
    { length: connections },
    () =>
      new grpc.Client(host, grpc.credentials.createInsecure(), {
        // Else all clients of one address share a connection.
        'grpc.use_local_subchannel_pool': 1,
        'grpc.enable_retries': 0,
      }),
  )
  try {
    const lanes = clients.flatMap((client) => Array.from({ length: streams }, () => () => ask(client)))
    return await inLanes(lanes, { seconds, timed })
  } finally {
    for (const client of clients) client.close()
  }
}
