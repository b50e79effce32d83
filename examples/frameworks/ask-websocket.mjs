// A client of websocket.mjs that pays: `payingFetch` with an upgrade for its `fetch`, so that limits and books are the same.
import { Readable } from 'node:stream'
import { payingFetch } from '@turnpike/l402/client'
import { WebSocket } from 'ws'

export function askWebSocket({ origin, wallet, purse }) {
  let opened
  const fetch = (url, { headers }) =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(String(url).replace('http', 'ws'), {
        headers: Object.fromEntries(new Headers(headers)),
      })
      socket.once('error', reject)
      socket.once('unexpected-response', (_, res) =>
        resolve(new Response(Readable.toWeb(res), { status: res.statusCode, headers: linesOf(res) })),
      )
      socket.once('message', (data) => {
        opened = { socket, said: String(data) }
        resolve(new Response())
      })
    })
  const paying = payingFetch({ wallet, purse, fetch })
  return async () => {
    const answer = await paying(`${origin}/feed`)
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`)
    opened.socket.close()
    return opened.said
  }
}

function linesOf({ rawHeaders }) {
  return rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [[name, rawHeaders[i + 1]]] : []))
}
