/** One request with its answer's header lines as they came: a list of challenges is read by line. */

import { request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import type { HeaderLines } from '../core/header-lines.ts'

/** What is asked. */
export interface Asked {
  readonly url: URL
  readonly method: string
  /** The request target as it is to be written, if not the URL's own. */
  readonly target?: string
  /** Name, value, …; several lines of one name are sent as several. */
  readonly headers?: HeaderLines
  readonly body?: string
  /** For the answer and for its body, each. */
  readonly timeoutMs: number
}

/** What came. */
export interface Came {
  /** 0: no answer. */
  readonly status: number
  /** Name, value, … */
  readonly headers: HeaderLines
  /** At most its first 256 KiB. */
  readonly body: string
  /** How the body ended: `whole`, else in words. */
  readonly end: 'whole' | 'breaks off' | 'is longer than 256 KiB' | 'does not end'
}

/** A request that no answer came to. */
export const NO_ANSWER: Came = { status: 0, headers: [], body: '', end: 'whole' }

/** Whether an answer is the resource, or leads to it. */
export function passes({ status }: Pick<Came, 'status'>): boolean {
  return status >= 200 && status < 400
}

const MAX_BODY = 256 * 1024

/** Sends it over HTTP/1.1. Throws where no answer comes; what a hostile server never ends is cut. */
export function ask({ url, method, target, headers = [], body, timeoutMs }: Asked): Promise<Came> {
  const send = url.protocol === 'https:' ? tlsRequest : plainRequest
  return new Promise((resolve, reject) => {
    const lines = ['Host', url.host, 'User-Agent', 'turnpike-doctor', ...headers]
    if (body !== undefined)
      lines.push('Content-Type', 'application/json', 'Content-Length', String(Buffer.byteLength(body)))
    const path = target ?? url.pathname + url.search
    const request = send(url, { method, path, headers: lines, setHost: false, agent: false }, (res) => {
      const chunks: Buffer[] = []
      let length = 0
      const end = (how: Came['end']): void => {
        clearTimeout(timer)
        resolve({
          status: res.statusCode ?? 0,
          headers: res.rawHeaders,
          body: Buffer.concat(chunks).toString('utf8'),
          end: how,
        })
        if (how !== 'whole') res.destroy()
      }
      clearTimeout(timer)
      timer = setTimeout(() => end('does not end'), timeoutMs)
      res.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        length += chunk.length
        if (length >= MAX_BODY) end('is longer than 256 KiB')
      })
      res.on('end', () => end('whole'))
      res.on('error', () => end('breaks off'))
    })
    // Over all of it: a byte now and then is no answer.
    let timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
    request.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer)
      reject(
        error.code === 'HPE_HEADER_OVERFLOW' ? new Error('its header lines are longer than 16 KiB') : error,
      )
    })
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
