/** Two nodes joined by a pair of byte queues instead of a socket. */

import type { SocketDescriptor } from 'lightningdevkit'
import type { SandboxNode } from './node.ts'

/**
 * Connects `dialler` to `listener`. Bytes arrive a turn of the event loop later: LDK hands them out from inside
 * its own code and must not be called again from there.
 */
export function linkNodes(dialler: SandboxNode, listener: SandboxNode): void {
  const sockets: { dialler?: SocketDescriptor; listener?: SocketDescriptor } = {}
  const toListener = (bytes: Uint8Array): void => {
    if (sockets.listener !== undefined) listener.receive(sockets.listener, bytes)
  }
  const toDialler = (bytes: Uint8Array): void => {
    if (sockets.dialler !== undefined) dialler.receive(sockets.dialler, bytes)
  }
  sockets.dialler = dialler.socket(1n, toListener)
  sockets.listener = listener.socket(2n, toDialler)
  listener.accept(sockets.listener)
  const firstBytes = dialler.dial(sockets.dialler, listener.nodeId)
  setImmediate(() => toListener(firstBytes))
}
