/** Streamable HTTP on a loopback port, for clients that show the token. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import {
  hostHeaderValidationResponse,
  localhostAllowedHostnames,
  localhostAllowedOrigins,
  type McpHttpHandler,
  originValidationResponse,
} from '@modelcontextprotocol/server'
import type { Listen } from './settings.ts'
import { showsToken } from './token-file.ts'

/** A running listener. */
export interface HttpListener {
  readonly url: string
  close(): Promise<void>
}

/** Where MCP is spoken. */
const PATH = '/mcp'

/** Listens; every request is checked for its Host, its Origin and the token, in this order. */
export async function listenHttp(
  { host, port }: Listen,
  { handler, token }: { readonly handler: McpHttpHandler; readonly token: string },
): Promise<HttpListener> {
  const server = createServer((req, res) => {
    serve(req, res).catch(() => res.destroy())
  })
  async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const gone = new AbortController()
    res.once('close', () => gone.abort())
    const request = requestOf(req, gone.signal)
    // A page in a browser must not reach this, by a name of its own (DNS rebinding) or from its origin.
    const barred =
      hostHeaderValidationResponse(request, [...localhostAllowedHostnames(), host]) ??
      originValidationResponse(request, localhostAllowedOrigins())
    await write(res, barred ?? (await answer(request, req)))
  }
  async function answer(request: Request, { headers }: IncomingMessage): Promise<Response> {
    if (!showsToken(headers.authorization, token))
      return new Response('expected: Authorization: Bearer TOKEN\n', {
        status: 401,
        headers: { 'www-authenticate': 'Bearer realm="fare"' },
      })
    if (new URL(request.url).pathname !== PATH) return new Response(`MCP is at ${PATH}\n`, { status: 404 })
    return await handler.fetch(request)
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const { address, family, port: actual } = server.address() as AddressInfo
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${actual}${PATH}`,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await closed
    },
  }
}

function requestOf(req: IncomingMessage, signal: AbortSignal): Request {
  const { method = 'GET', url = '/', rawHeaders } = req
  const headers = new Headers()
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    headers.append(rawHeaders[i] ?? '', rawHeaders[i + 1] ?? '')
  }
  const bodiless = method === 'GET' || method === 'HEAD'
  const init: RequestInit & { duplex: 'half' } = { method, headers, signal, duplex: 'half' }
  if (!bodiless) init.body = Readable.toWeb(req) as ReadableStream<Uint8Array>
  // The authority is checked by its header; what stands here decides nothing.
  return new Request(new URL(url.startsWith('/') ? url : '/', 'http://localhost'), init)
}

async function write(res: ServerResponse, response: Response): Promise<void> {
  res.writeHead(response.status, [...response.headers].flat())
  if (response.body === null) {
    res.end()
    return
  }
  // Heads of streams go out at once: the client waits for them.
  res.flushHeaders()
  await pipeline(Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]), res)
}
