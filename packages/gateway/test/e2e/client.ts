/** A plain HTTP client, and one that writes its bytes as they stand. */

import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'

/** A whole answer. */
export interface Response {
  readonly status: number
  /** The first value of a header, by its lower-case name; empty without one. */
  header(name: string): string
  /** All values of a header. */
  all(name: string): readonly string[]
  readonly body: string
}

/** What goes with a request. */
export interface AskOptions {
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string
  readonly agent?: Agent | false
}

/** Asks, on a connection of its own unless an agent is given; reads the whole answer. Throws where it breaks off. */
export function ask(base: string, method: string, path: string, options: AskOptions = {}): Promise<Response> {
  const { headers = {}, body, agent = false } = options
  const { hostname, port } = new URL(base)
  return new Promise((resolve, reject) => {
    const sent = request(
      { hostname, port, method, path, agent, headers: { ...headers } as never },
      (answer) => {
        let text = ''
        answer.setEncoding('latin1').on('data', (chunk: string) => {
          text += chunk
        })
        answer.on('error', reject)
        answer.on('end', () => {
          const all = (name: string): readonly string[] => answer.headersDistinct[name] ?? []
          resolve({ status: answer.statusCode ?? 0, header: (name) => all(name)[0] ?? '', all, body: text })
        })
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

/** A client of many requests on few kept connections. */
export function keptConnections(maxSockets: number): Agent {
  return new Agent({ keepAlive: true, maxSockets })
}

/** A connection that bytes are written on as they stand. */
export function open(port: number): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  return socket
}

/** Everything that comes until the connection closes. */
export function readAll(socket: Socket): Promise<string> {
  let text = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk
  })
  return new Promise((resolve) => socket.once('close', () => resolve(text)))
}

/** Reads until the text matches; throws if the connection closes before. */
export function readUntil(socket: Socket, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const onData = (chunk: Buffer | string): void => {
      text += chunk.toString('latin1')
      if (!pattern.test(text)) return
      socket.off('data', onData).off('close', onClose)
      resolve(text)
    }
    const onClose = (): void => reject(new Error(`the connection closed after: ${text.slice(0, 200)}`))
    socket.on('data', onData).on('close', onClose)
  })
}

/** Sends bytes and reads until the gateway closes the connection; the statuses of all answers, in order. */
export async function sendRaw(
  port: number,
  bytes: string | Buffer,
): Promise<{ statuses: number[]; text: string }> {
  const socket = open(port)
  socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  const text = await readAll(socket)
  return { statuses: statusesIn(text), text }
}

/** The status codes of the answers in what a connection carried. */
export function statusesIn(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((found) => Number(found[1]))
}

/** Looks until a condition holds; throws after `patienceMs`. The machine may be busy. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  what: string,
  patienceMs: number = 25_000,
): Promise<void> {
  const endsAt = performance.now() + patienceMs
  while (!(await holds())) {
    if (performance.now() > endsAt) throw new Error(`waited in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
