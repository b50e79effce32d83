import type { Socket } from 'node:net'
import type { ClientAnswer } from '../proxy/client-side.ts'

const before = new WeakMap<Socket, number>()

/**
 * How many bytes of `res` went out after its head, once it is over: what its connection has carried since the answer
 * before it. `undefined` where the connection is not one of HTTP/1.1, or is gone.
 */
export function bodyBytesOf(res: ClientAnswer, socket: Socket): number | undefined {
  const total = socket.bytesWritten
  if (typeof total !== 'number') return undefined
  const sent = total - (before.get(socket) ?? 0)
  before.set(socket, total)
  // Node keeps the head as it was sent.
  const head = (res as { readonly _header?: unknown })._header
  if (typeof head !== 'string') return undefined
  return Math.max(0, sent - head.length)
}
