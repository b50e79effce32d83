/** One request of a client that writes down what became of it. */

import { type Agent, request } from 'node:http'
import type { Response } from '../../packages/gateway/test/e2e/client.ts'
import { bodyOf, type Order, pathOf } from './recording-upstream.ts'

/**
 * What became of a request:
 * - `served`: 200, and every byte of it
 * - `cut`: the connection broke before that; `seen`: with some of a 200 having come
 * - `answered`: something else, whole
 */
export type Attempt =
  | { readonly outcome: 'served'; readonly replayed: boolean }
  | { readonly outcome: 'cut'; readonly seen: boolean }
  | { readonly outcome: 'answered'; readonly answer: Response }

/** What is sent. */
export interface AttemptOptions {
  readonly authorization: string
  readonly agent: Agent
  /** Makes it a POST. */
  readonly idempotencyKey?: string | undefined
}

// A gateway that lives and does not answer for so long is stuck.
const PATIENCE_MS = 90_000

/** Sends an order. Throws where a gateway serves something else than was ordered, or does not answer. */
export function attempt(
  base: string,
  { route, order }: { readonly route: string; readonly order: Order },
  { authorization, agent, idempotencyKey }: AttemptOptions,
): Promise<Attempt> {
  const { hostname, port } = new URL(base)
  const headers: Record<string, string> = { Authorization: authorization }
  if (idempotencyKey !== undefined) {
    headers['Idempotency-Key'] = idempotencyKey
    headers['Content-Type'] = 'text/plain'
  }
  return new Promise((resolve, reject) => {
    const sent = request({
      hostname,
      port,
      agent,
      headers,
      method: idempotencyKey === undefined ? 'GET' : 'POST',
      path: pathOf(route, order),
      timeout: PATIENCE_MS,
    })
    let seen = false
    const cut = (): void => resolve({ outcome: 'cut', seen })
    sent.on('error', cut)
    sent.on('timeout', () => {
      reject(new Error(`no answer to ${route} (${order.shape}) in ${PATIENCE_MS} ms`))
      sent.destroy()
    })
    sent.on('response', (answer) => {
      const { statusCode: status = 0 } = answer
      seen = status === 200
      let body = ''
      answer.setEncoding('latin1').on('data', (chunk: string) => {
        body += chunk
      })
      answer.on('error', cut)
      answer.on('end', () => {
        if (!answer.complete) return cut()
        const all = (name: string): readonly string[] => answer.headersDistinct[name] ?? []
        const header = (name: string): string => all(name)[0] ?? ''
        if (status !== 200) resolve({ outcome: 'answered', answer: { status, header, all, body } })
        else if (body === bodyOf(order))
          resolve({ outcome: 'served', replayed: header('idempotency-replayed') === 'true' })
        else reject(new Error(`another answer than ordered: ${body.slice(0, 80)} to ${order.id}`))
      })
    })
    sent.end(idempotencyKey === undefined ? undefined : `do ${order.id}`)
  })
}
