/** HTTP/2 load without TLS (prior knowledge): several streams on each connection. */
import { once } from 'node:events'
import { type ClientHttp2Session, connect } from 'node:http2'
import { inLanes } from './lanes.ts'
import type { LoadOptions, LoadResult } from './load.ts'

/** One request at a time in each of `streams` lanes of each connection, for so long. */
export async function performH2(options: LoadOptions): Promise<LoadResult> {
  const { url, authorization, connections, streams = 16, seconds, expected, timed = 16 } = options
  const { origin, pathname } = new URL(url)
  const headers = { ':path': pathname, ...(authorization !== undefined && { authorization }) }
  const ask = (session: ClientHttp2Session): Promise<void> =>
    new Promise((resolve, reject) => {
      const stream = session.request(headers)
      let status: number | undefined
      stream.on('response', (answer) => {
        status = answer[':status']
      })
      stream.on('error', reject)
      stream.on('end', () => {
        if (status === expected) resolve()
        else reject(new Error(`got ${status}`))
      })
      stream.resume()
    })
  const sessions = Array.from({ length: connections }, () => connect(origin))
  try {
    await Promise.all(sessions.map((session) => once(session, 'connect')))
    const lanes = sessions.flatMap((session) => Array.from({ length: streams }, () => () => ask(session)))
    return await inLanes(lanes, { seconds, timed })
  } finally {
    for (const session of sessions) session.destroy()
  }
}
