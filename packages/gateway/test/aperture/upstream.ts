/** The backend behind both gateways: it says what it was asked, sets CORS of its own, and answers in pieces. */

import type { ServerResponse } from 'node:http'
import { startUpstream, type Upstream } from '../e2e/upstream.ts'

/** See above. */
export interface BehaviourUpstream extends Upstream {
  /** Ends the answers that wait. */
  release(): void
}

/** Starts it. */
export async function behaviourUpstream(): Promise<BehaviourUpstream> {
  const waiting: ServerResponse[] = []
  const upstream = await startUpstream((req, res) => {
    const { url = '', method = '', headers } = req
    if (url.endsWith('/pieces')) {
      res.write('one')
      waiting.push(res)
      return
    }
    if (url.endsWith('/cors')) {
      res.setHeader('Access-Control-Allow-Origin', 'https://backend.test')
      res.setHeader('Access-Control-Allow-Methods', 'GET')
      res.setHeader('Access-Control-Allow-Headers', 'Content-Type')
      res.setHeader('Access-Control-Expose-Headers', 'X-Request-Id')
    }
    res.setHeader('Content-Type', 'application/json')
    res.end(JSON.stringify({ method, url, host: headers.host, authorization: headers.authorization ?? null }))
  })
  return {
    ...upstream,
    release: () => {
      for (const res of waiting.splice(0)) res.end('two')
    },
  }
}
