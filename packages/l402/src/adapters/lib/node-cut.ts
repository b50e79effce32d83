/** Who has ended a connection in the middle of an answer: the seller's own side, or its client. */

import type { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { streamOf } from './node-http2.ts'

/** Watches the connection of one request. */
export interface CutWatch {
  /** The answer begins. */
  begin(): void
  /** Once the connection has closed: whether this side has cut it off. False wherever a client could have had a hand in it. */
  wasCut(): boolean
  /** Whether the client has gone by now, whatever the handler does because of that. */
  hasLeft(): boolean
}

// Connections, and whether something was wrong with them: they have idled for too long, as where a client stops reading, or
// what came could not be read, as where a client spoils its TLS.
const wrong = new WeakMap<Socket, boolean>()

function watch(socket: Socket): void {
  if (wrong.has(socket)) return
  wrong.set(socket, false)
  const note = (): void => {
    wrong.set(socket, true)
  }
  // Node's own listeners go on as they are.
  socket.on('timeout', note).on('error', note)
}

/** Whether the seller's own listener deals with what cannot be read, which a client can send whenever it likes. */
function cutsOnClientError(socket: Socket): boolean {
  const { server } = socket as Socket & { readonly server?: EventEmitter }
  return server === undefined || server.listenerCount('clientError') > 0
}

/** Frameworks cut the connection, and not the answer, where a handler fails after its first byte. */
export function watchCut(req: IncomingMessage): CutWatch {
  const { socket } = req
  // HTTP/2's is of many requests.
  const stream = streamOf(req)
  if (stream !== undefined) {
    const hasLeft = (): boolean => stream.aborted || stream.destroyed || stream.session?.destroyed !== false
    return { begin() {}, wasCut: () => false, hasLeft }
  }
  watch(socket)
  // All that the client had sent with its request. What comes behind may be what a server hangs up on.
  let heardBytes: number | undefined
  function begin(): void {
    if (req.complete) heardBytes ??= socket.bytesRead
  }
  begin()
  const wasCut = (): boolean =>
    heardBytes === socket.bytesRead &&
    !socket.readableEnded &&
    socket.errored === null &&
    wrong.get(socket) === false &&
    !cutsOnClientError(socket)
  const isOver = (): boolean => socket.destroyed || socket.readableEnded || socket.errored !== null
  return { begin, wasCut, hasLeft: () => isOver() && !wasCut() }
}
