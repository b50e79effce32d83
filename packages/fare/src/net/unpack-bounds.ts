/** How large an answer may become when its content coding is taken off: a few kilobytes can unpack to terabytes. */

import { Transform } from 'node:stream'

/** Both hold; infinite for no bound. */
export interface UnpackBounds {
  /** Bytes of the unpacked body. */
  readonly mostBytes: number
  /** Times the size that came over the wire. */
  readonly mostRatio: number
}

const MIB = 1024 * 1024

/** What text and data come to by far; only bombs are made for more. */
export const UNPACK_BOUNDS: UnpackBounds = { mostBytes: 1024 * MIB, mostRatio: 200 }

/** So much is unpacked whatever came: small answers may be all zeros. */
const FREE_BYTES = 4 * MIB

/** An answer that became too large. */
export class UnpackError extends Error {}

/** Passes bytes on and counts them. */
export interface Counter {
  readonly stream: Transform
  readonly count: () => number
}

/** Counts what passes; `check` may throw to end it. */
export function counter(check: (count: number) => void = () => {}): Counter {
  let count = 0
  const stream = new Transform({
    transform(chunk: Uint8Array, _, done) {
      count += chunk.length
      try {
        check(count)
        done(null, chunk)
      } catch (error) {
        done(error as Error)
      }
    },
  })
  return { stream, count: () => count }
}

/** Throws {@link UnpackError} where `unpacked` bytes are too many for the `packed` ones they came from. */
export function assertWithin(bounds: UnpackBounds, packed: number, unpacked: number): void {
  const { mostBytes, mostRatio } = bounds
  if (unpacked > mostBytes)
    throw new UnpackError(`unpacked it is larger than ${mostBytes} bytes; --max-unpacked sets another bound`)
  if (unpacked > FREE_BYTES && unpacked > packed * mostRatio)
    throw new UnpackError(
      `unpacked it is more than ${mostRatio} times as large as it came; --max-unpack-ratio sets another bound`,
    )
}
