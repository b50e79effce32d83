/** A client that asks again and again on one connection, several requests at a time, until the server says it is the last. */

import { open } from './client.ts'

/** What became of the requests of one connection. */
interface KeptOutcome {
  /** Statuses of all answers, in order. */
  readonly statuses: readonly number[]
  /** Requests that were sent and had no answer when the connection ended. */
  readonly unanswered: number
  /** An answer said that it is the last. */
  readonly toldToClose: boolean
}

/** A running client. */
export interface KeptClient {
  /** Answers so far. */
  count(): number
  /** Asks nothing more; resolves when what was asked is answered. */
  stop(): void
  readonly done: Promise<KeptOutcome>
}

/** Asks `path` on one connection, `depth` requests in one piece at a time. */
export function keepAsking(
  port: number,
  path: string,
  { depth = 1, lines = '' }: { readonly depth?: number; readonly lines?: string } = {},
): KeptClient {
  const socket = open(port)
  const statuses: number[] = []
  let asked = 0
  let text = ''
  let toldToClose = false
  let stopping = false
  const ask = (): void => {
    asked += depth
    socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n${lines}\r\n`.repeat(depth))
  }
  socket.once('connect', ask)
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk
    for (;;) {
      const end = text.indexOf('\r\n\r\n')
      const head = text.slice(0, end)
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
      if (end < 0 || text.length < end + 4 + length) return
      statuses.push(Number(head.slice(9, 12)))
      toldToClose ||= /\r\nconnection: close/i.test(head)
      text = text.slice(end + 4 + length)
      if (statuses.length < asked || toldToClose) continue
      if (stopping) socket.end()
      else ask()
    }
  })
  const done = new Promise<KeptOutcome>((resolve) => {
    socket.once('close', () => resolve({ statuses, unanswered: asked - statuses.length, toldToClose }))
  })
  return {
    count: () => statuses.length,
    stop() {
      stopping = true
    },
    done,
  }
}
