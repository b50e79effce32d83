import type { Socket } from 'node:net'

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n')

/**
 * Finds out by the first bytes of a plaintext connection whether its client speaks HTTP/2 from the start (RFC 9113 §3.3), and
 * leaves them unread. `decided` is not called for a connection that ends before that, or says nothing for `timeoutMs`.
 */
export function readFirstBytes(
  socket: Socket,
  timeoutMs: number,
  decided: (socket: Socket, speaksH2: boolean) => void,
): void {
  let held: Buffer = Buffer.alloc(0)
  const onTimeout = (): void => void socket.destroy()
  const onReadable = (): void => {
    const bytes: Buffer | null = socket.read()
    if (bytes === null) return
    held = held.length === 0 ? bytes : Buffer.concat([held, bytes])
    const seen = held.subarray(0, PREFACE.length)
    const speaksH2 = PREFACE.subarray(0, seen.length).equals(seen)
    // `P` may still become `POST`. Not put back before that: it would be readable at once, again and again.
    if (speaksH2 && seen.length < PREFACE.length) return
    socket.unshift(held)
    socket.off('readable', onReadable).off('timeout', onTimeout).off('error', onTimeout).off('end', onTimeout)
    socket.setTimeout(0)
    decided(socket, speaksH2)
  }
  socket.on('readable', onReadable).on('timeout', onTimeout).on('error', onTimeout).on('end', onTimeout)
  socket.setTimeout(timeoutMs)
}
