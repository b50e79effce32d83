import type { Link } from './link.ts'

const FIRST_RETRY_MS = 50
const LAST_RETRY_MS = 1_000

/** A connection that is opened again whenever it breaks. */
export class Line {
  readonly #dial: (onDown: (error: unknown) => void) => Promise<Link>
  readonly #onUp: (link: Link) => void
  readonly #onDown: (error: unknown) => void
  #link: Link | undefined
  #dropped = false
  #retryMs = FIRST_RETRY_MS

  constructor(options: {
    readonly dial: (onDown: (error: unknown) => void) => Promise<Link>
    readonly onUp: (link: Link) => void
    readonly onDown: (error: unknown) => void
  }) {
    this.#dial = options.dial
    this.#onUp = options.onUp
    this.#onDown = options.onDown
  }

  get link(): Link | undefined {
    return this.#link
  }

  /** Opens it. Throws when that fails the first time, and leaves it at that. */
  async open(): Promise<Link> {
    const link = await this.#dial((error) => this.#broke(error))
    if (this.#dropped) {
      link.drop()
      return link
    }
    this.#link = link
    this.#retryMs = FIRST_RETRY_MS
    this.#onUp(link)
    return link
  }

  /** Opens it now or as soon as it can be. */
  keepTrying(): void {
    this.open().catch((error: unknown) => this.#broke(error))
  }

  drop(): void {
    this.#dropped = true
    this.#link?.drop()
    this.#link = undefined
  }

  #broke(error: unknown): void {
    this.#link = undefined
    if (this.#dropped) return
    this.#onDown(error)
    setTimeout(() => {
      if (!this.#dropped) this.keepTrying()
    }, this.#retryMs).unref()
    this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS)
  }
}
