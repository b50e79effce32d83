import type { SessionStream } from '@turnpike/l402/server'
import type { Outgoing } from './outgoing.ts'

/** A session's event stream between the upstream and the client: each waits for the other. */
export class EventAnswer {
  readonly #stream: SessionStream
  readonly #answer: Outgoing
  readonly #resume: () => void
  // The client takes more right now.
  #flows = true
  // There is no client any more, whose connection would never say that it takes more.
  #alone = false

  constructor(stream: SessionStream, answer: Outgoing, resume: () => void) {
    this.#stream = stream
    this.#answer = answer
    this.#resume = resume
  }

  get stream(): SessionStream {
    return this.#stream
  }

  /** A piece from the upstream. False: it is told to go on when there is room again. */
  push(chunk: Buffer): boolean {
    const waits = this.#stream.push(chunk)
    if (waits === undefined) return this.#flows
    void waits.then(() => {
      if (this.#flows) this.#resume()
    })
    return false
  }

  /** The client has left, and the answer is read on without it. */
  goOnAlone(): void {
    this.#alone = true
    this.#flows = true
    this.#stream.goOnAlone()
  }

  /** A piece for the client. */
  send(bytes: Uint8Array): void {
    if (this.#alone) return
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#flows = this.#answer.write(chunk, () => this.#drained())
  }

  #drained(): void {
    this.#flows = true
    if (!this.#stream.waits) this.#resume()
  }
}
