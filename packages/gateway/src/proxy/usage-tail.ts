import type { UsageSink } from '@turnpike/l402/server'
import { latin1Lines } from './raw-lines.ts'

/** Watches an answer for a metered price server: its status, what it is, and the end of its body in bounded memory. */
export class UsageTail {
  readonly #sink: UsageSink
  #status = 0
  #contentType = ''
  #contentEncoding = ''
  #parts: Buffer[] = []
  #length = 0

  constructor(sink: UsageSink) {
    this.#sink = sink
  }

  head(status: number, raw: readonly Buffer[]): void {
    this.#status = status
    const lines = latin1Lines(raw)
    for (let i = 0; i < lines.length; i += 2) {
      const name = lines[i]?.toLowerCase()
      if (name === 'content-type') this.#contentType = lines[i + 1] ?? ''
      else if (name === 'content-encoding') this.#contentEncoding = lines[i + 1] ?? ''
    }
  }

  body(chunk: Buffer): void {
    const { tailBytes } = this.#sink
    this.#parts.push(chunk)
    this.#length += chunk.length
    // Small pieces are put together, and what has gone by is let go.
    if (this.#length > 2 * tailBytes || this.#parts.length > 64) this.#shorten()
  }

  end(complete: boolean): void {
    this.#shorten()
    this.#sink.report({
      status: this.#status,
      contentType: this.#contentType,
      contentEncoding: this.#contentEncoding,
      complete,
      tail: this.#parts[0] ?? Buffer.alloc(0),
    })
  }

  #shorten(): void {
    const { tailBytes } = this.#sink
    const all = Buffer.concat(this.#parts)
    // A copy: the rest must not stay in memory with it.
    const tail = all.length > tailBytes ? Buffer.from(all.subarray(all.length - tailBytes)) : all
    this.#parts = [tail]
    this.#length = tail.length
  }
}
