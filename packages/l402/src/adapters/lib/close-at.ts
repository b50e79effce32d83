/** The end of a connection whose time is over. */

/** As much of a connection as is needed here. */
export interface Closable {
  end(last: Uint8Array): unknown
  destroy(): unknown
  once(event: 'close', listener: () => void): unknown
}

// A WebSocket's close frame, unmasked as servers send it: 1008, "policy violation" (RFC 6455 §5.5.1, §7.4.1).
const CLOSE_1008 = Uint8Array.of(0x88, 2, 0x03, 0xf0)

// How long a client may take to close its side.
const LINGER_MS = 2_000

// Timers hold no more: 2^31 - 1.
const LONGEST_MS = 2_147_483_647

/** Says goodbye and closes; a client that does not is cut off. */
export function closePolitely(socket: Closable): void {
  socket.end(CLOSE_1008)
  const late = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once('close', () => clearTimeout(late))
}

/** Closes a connection at `unixSeconds`; never, if `null`. Answers a function that calls it off. */
export function closeAt(socket: Closable, unixSeconds: number | null): () => void {
  if (unixSeconds === null) return () => {}
  let timer: ReturnType<typeof setTimeout> | undefined
  const wait = (): void => {
    const leftMs = unixSeconds * 1000 - Date.now()
    if (leftMs <= 0) closePolitely(socket)
    else timer = setTimeout(wait, Math.min(leftMs, LONGEST_MS))
  }
  wait()
  return () => clearTimeout(timer)
}
