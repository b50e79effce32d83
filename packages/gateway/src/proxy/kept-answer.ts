import type { StoredAnswer } from '@turnpike/l402/server'
import { answerLines } from './answer-lines.ts'
import type { HeaderEdits } from './header-edits.ts'

/** An answer as it is kept for requests that come again (protocol §5 rule 10), as far as it is small enough. */
export class KeptAnswer {
  readonly #mostBytes: number
  readonly #edits: HeaderEdits | undefined
  #status = 0
  #headers: string[] = []
  #chunks: Buffer[] = []
  #length = 0
  #dropped = false

  constructor(mostBytes: number, edits: HeaderEdits | undefined) {
    this.#mostBytes = mostBytes
    this.#edits = edits
  }

  /** Whether it can still be kept. */
  get wanted(): boolean {
    return !this.#dropped
  }

  /** The answer begins. */
  head(status: number, raw: readonly Buffer[]): void {
    this.#status = status
    const { lines, length } = answerLines(raw, status, { extra: [], crossOrigin: false, edits: this.#edits })
    if (length > this.#mostBytes) this.drop()
    // Whoever sends it again says how long it is.
    for (let i = 0; i + 1 < lines.length; i += 2) {
      const name = lines[i] ?? ''
      if (name.toLowerCase() !== 'content-length') this.#headers.push(name, lines[i + 1] ?? '')
    }
  }

  body(chunk: Buffer): void {
    if (this.#dropped) return
    this.#length += chunk.length
    if (this.#length > this.#mostBytes) this.drop()
    else this.#chunks.push(chunk)
  }

  /** It is too large, or holds what cannot be sent again. */
  drop(): void {
    this.#dropped = true
    this.#chunks = []
  }

  /** The whole of it, once it has come; `undefined` where it is not kept. */
  whole(): StoredAnswer | undefined {
    if (this.#dropped) return undefined
    return { status: this.#status, headers: this.#headers, body: Buffer.concat(this.#chunks) }
  }
}
