/** An upstream that outlives the gateways in front of it, and writes down what reached it. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/**
 * How it answers:
 * - `whole`: with a length, at once; `late`: after some milliseconds
 * - `pieces`: in chunks with pauses between them
 * - `long`: with a length, more than a gateway holds back
 * - `failed`: with status 500
 */
export type Shape = 'whole' | 'late' | 'pieces' | 'long' | 'failed'

/** What a client wants of it. Goes over the gateway in the query. */
export interface Order {
  /** Nobody else's; of a request that is repeated, the same. */
  readonly id: string
  readonly shape: Shape
  /** Length of the answer's body. */
  readonly bytes: number
  /** What the answer says in `X-Units`. */
  readonly units: number
}

/** A point in the life of a request: it has arrived, some of its answer has been sent, all of it has been sent. */
export type UpstreamMoment = 'received' | 'begun' | 'ended'

/** An upstream that runs. */
export interface RecordingUpstream {
  readonly origin: string
  /** How many requests with this id have come. */
  received(id: string): number
  /** How many of them it has begun to answer while {@link connected} was true. */
  answered(id: string): number
  /** All requests that have come. */
  readonly total: number
  /** Whether there is a gateway that its answers can reach. */
  connected: boolean
  /** Told as it happens. */
  onMoment: (moment: UpstreamMoment) => void
  close(): Promise<void>
}

/** The path and query of an order. */
export function pathOf(route: string, order: Order): string {
  const { id, shape, bytes, units } = order
  return `/${route}/x?id=${id}&shape=${shape}&bytes=${bytes}&units=${units}`
}

/** The body that answers an order. */
export function bodyOf({ id, bytes }: Pick<Order, 'id' | 'bytes'>): string {
  return `${id}:`.padEnd(bytes, '.')
}

/** Starts one. */
export async function startRecordingUpstream(): Promise<RecordingUpstream> {
  const received = new Map<string, number>()
  const answered = new Map<string, number>()
  let total = 0
  const add = (counts: Map<string, number>, id: string): void => {
    counts.set(id, (counts.get(id) ?? 0) + 1)
  }
  const http = createServer({ keepAliveTimeout: 60_000 }, (req, res) => {
    const order = orderOf(req)
    total++
    add(received, order.id)
    upstream.onMoment('received')
    const begin = (): void => {
      if (upstream.connected && !res.destroyed) add(answered, order.id)
    }
    req.resume().once('end', () => {
      void answer(res, order, { begin, begun: () => upstream.onMoment('begun') }).then(() =>
        upstream.onMoment('ended'),
      )
    })
    res.on('error', () => {})
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const upstream: RecordingUpstream = {
    origin: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    received: (id) => received.get(id) ?? 0,
    answered: (id) => answered.get(id) ?? 0,
    get total() {
      return total
    },
    connected: true,
    onMoment: () => {},
    async close() {
      http.closeAllConnections()
      http.close()
      await once(http, 'close')
    },
  }
  return upstream
}

function orderOf({ url = '' }: IncomingMessage): Order {
  const { searchParams: query } = new URL(url, 'http://upstream')
  return {
    id: query.get('id') ?? '',
    shape: (query.get('shape') ?? 'whole') as Shape,
    bytes: Number(query.get('bytes')),
    units: Number(query.get('units')),
  }
}

interface Hooks {
  /** Called just before the answer begins. */
  readonly begin: () => void
  /** Called when some of it, and not all, has been sent. */
  readonly begun: () => void
}

async function answer(res: ServerResponse, order: Order, { begin, begun }: Hooks): Promise<void> {
  const body = bodyOf(order)
  const headers = { 'Content-Type': 'text/plain', 'X-Units': String(order.units) }
  if (order.shape === 'late') await pause(2 + Math.random() * 20)
  begin()
  if (order.shape === 'failed') return void res.writeHead(500, headers).end('failed')
  if (order.shape !== 'pieces' && order.shape !== 'long')
    return void res.writeHead(200, { ...headers, 'Content-Length': body.length }).end(body)
  res.writeHead(200, order.shape === 'long' ? { ...headers, 'Content-Length': body.length } : headers)
  const third = Math.ceil(body.length / 3)
  for (const from of [0, third]) {
    res.write(body.slice(from, from + third))
    begun()
    await pause(Math.random() * 40)
  }
  res.end(body.slice(2 * third))
}
