/** Bytes gathered up to a limit, in linear time however small the pieces are. */
export interface BoundedBytes {
  /** Copies the piece. */
  push(piece: Uint8Array): void
  /** What was gathered, and begins anew; `undefined` if it was more than the limit. Good until the next `push`. */
  take(): Uint8Array | undefined
  /** Whether nothing was pushed since the beginning. */
  readonly empty: boolean
}

/** Gathers at most `limit` bytes. */
export function boundedBytes(limit: number): BoundedBytes {
  let buffer = new Uint8Array(0)
  let length = 0
  return {
    push(piece) {
      const start = length
      length += piece.length
      if (length > limit) {
        buffer = new Uint8Array(0)
        return
      }
      if (length > buffer.length) {
        const larger = new Uint8Array(Math.min(limit, Math.max(1024, 2 * length)))
        larger.set(buffer.subarray(0, start))
        buffer = larger
      }
      buffer.set(piece, start)
    },
    take() {
      const taken = length > limit ? undefined : buffer.subarray(0, length)
      length = 0
      return taken
    },
    get empty() {
      return length === 0
    },
  }
}
