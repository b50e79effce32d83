/** One request with its answer's header lines as they came: a list of challenges is read by line. */

import { request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import type { HeaderLines } from '../core/header-lines.ts'

/** What is asked. */
export interface Asked {
  readonly url: URL
  readonly method: string
  /** Name, value, …; several lines of one name are sent as several. */
  readonly headers?: HeaderLines
  readonly body?: string
  readonly timeoutMs: number
}

/** What came. */
export interface Came {
  readonly status: number
  /** Name, value, … */
  readonly headers: HeaderLines
  /** At most its first 256 KiB. */
  readonly body: string
}

const MAX_BODY = 256 * 1024

/** Sends it over HTTP/1.1. Throws where no answer comes. */
export function ask({ url, method, headers = [], body, timeoutMs }: Asked): Promise<Came> {
  const send = url.protocol === 'https:' ? tlsRequest : plainRequest
  return new Promise((resolve, reject) => {
    const lines = ['Host', url.host, 'User-Agent', 'turnpike-doctor', ...headers]
    if (body !== undefined)
      lines.push('Content-Type', 'application/json', 'Content-Length', String(Buffer.byteLength(body)))
    const request = send(
      url,
      { method, headers: lines, setHost: false, agent: false, timeout: timeoutMs },
      (res) => {
        const chunks: Buffer[] = []
        let length = 0
        const end = (): void =>
          resolve({
            status: res.statusCode ?? 0,
            headers: res.rawHeaders,
            body: Buffer.concat(chunks).toString('utf8'),
          })
        res.on('data', (chunk: Buffer) => {
          chunks.push(chunk)
          length += chunk.length
          if (length < MAX_BODY) return
          end()
          res.destroy()
        })
        res.on('end', end)
        res.on('error', reject)
      },
    )
    request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    request.on('error', reject)
    request.end(body)
  })
}

/** The values of a header field's lines, in order. */
export function linesOf({ headers }: Pick<Came, 'headers'>, name: string): readonly string[] {
  const values: string[] = []
  for (let i = 0; i < headers.length; i += 2)
    if ((headers[i] ?? '').toLowerCase() === name) values.push(headers[i + 1] ?? '')
  return values
}
