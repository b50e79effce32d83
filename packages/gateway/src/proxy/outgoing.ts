import type { AnswerLines } from './answer-lines.ts'
import type { ClientAnswer } from './client-side.ts'

const STATUS_TEXT = /^[\t\x20-\x7e\x80-\xff]*$/

/** One answer on its way to the client: what is gathered of it first, then each piece as it comes. */
export class Outgoing {
  readonly #res: ClientAnswer
  #text = ''
  #lines: AnswerLines | undefined
  #gathered: Buffer[] = []
  // Bytes of the body still to come, where the upstream said how many; else -1.
  #left = -1
  #flushed = false
  #gone = false

  /** 0 until there is a head. */
  status = 0

  constructor(res: ClientAnswer) {
    this.#res = res
  }

  /** The client has left: from here on nothing is written. */
  gone(): void {
    this.#gone = true
  }

  /** The head of the answer, to be sent with {@link begin}. */
  head(status: number, text: string, lines: AnswerLines): void {
    this.status = status
    this.#text = STATUS_TEXT.test(text) ? text : ''
    this.#lines = lines
    this.#left = lines.length > 0 ? lines.length : -1
  }

  /** Keeps a piece until the answer begins. */
  gather(chunk: Buffer): void {
    this.#gathered.push(chunk)
  }

  /** Sends the head. Throws for a header or status that Node will not send. */
  begin(): void {
    if (this.#gone) return
    this.#res.writeHead(this.status, this.#text, this.#lines?.lines)
  }

  /** The first bytes of a body mostly follow at once and share a packet; a stream's head must not wait for them. */
  flushSoon(): void {
    process.nextTick(flush, this)
  }

  /** Whether the body is whole with this piece. */
  completes(chunk: Buffer): boolean {
    if (this.#left < 0) return false
    this.#left -= chunk.length
    return this.#left === 0
  }

  /** Sends a piece. False: `drained` is called when the client has taken what there is. */
  write(chunk: Buffer, drained: () => void): boolean {
    this.#flushed = true
    if (this.#res.write(chunk)) return true
    this.#res.once('drain', drained)
    return false
  }

  /** Ends the answer with what was gathered, the last piece and trailers. */
  end(last: Buffer | undefined, trailers: [name: string, value: string][] | undefined): void {
    const res = this.#res
    this.#flushed = true
    if (this.#gone || res.destroyed) return
    const rest = last ?? this.#gathered.pop()
    for (const chunk of this.#gathered) res.write(chunk)
    if (res.chunkedEncoding && trailers !== undefined) res.addTrailers(trailers)
    if (rest === undefined) res.end()
    else res.end(rest)
  }

  flushHead(): void {
    if (!this.#flushed && !this.#res.destroyed) this.#res.flushHeaders()
  }
}

function flush(answer: Outgoing): void {
  answer.flushHead()
}
