/**
 * The built-in sample API behind `upstream: sample`: something to sell while trying the gateway out. Knows nothing of
 * payments, as no upstream needs to.
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A running sample API. */
export interface SampleApi {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  close(): Promise<void>
}

const MAX_BODY_BYTES = 64 * 1024

/** Starts it on a free loopback port. */
export async function startSampleApi(): Promise<SampleApi> {
  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'http://sample.invalid')
  const city = /^\/forecast\/([^/]+)$/.exec(pathname)?.[1]
  const isGet = request.method === 'GET' || request.method === 'HEAD'
  if (isGet && pathname === '/health') return send(response, 200, { status: 'ok' })
  if (isGet && city !== undefined) return send(response, 200, forecast(decode(city)))
  if (request.method === 'POST' && pathname === '/query') {
    const text = await readBody(request)
    if (text === undefined) return send(response, 413, { error: 'the question is too long' })
    return send(response, 200, { question: text, answer: `${text.length} characters, and 42` })
  }
  return send(response, 404, { error: 'try /health, /forecast/lisbon or POST /query' })
}

/** The same city always has the same weather. */
function forecast(city: string): Record<string, unknown> {
  const seed = [...city].reduce((sum, letter) => (sum * 31 + (letter.codePointAt(0) ?? 0)) % 9973, 7)
  const skies = ['sunny', 'cloudy', 'rain', 'storm']
  return { city, sky: skies[seed % skies.length], celsius: (seed % 35) - 5 }
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > MAX_BODY_BYTES) return undefined
      chunks.push(chunk)
    }
  } catch {
    return ''
  }
  return Buffer.concat(chunks).toString('utf8')
}

function send(response: ServerResponse, status: number, body: Record<string, unknown>): void {
  const text = `${JSON.stringify(body)}\n`
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
  })
  response.end(text)
}
