import { L402Error } from '../../core/errors.ts'
import { openSession, type Session, type SessionOptions } from './session.ts'

/** How long to wait before connecting again, the first time and at most. */
const BACKOFF_MS = [50, 1_000] as const

/**
 * A session, and another one when it is lost. Each new one takes over what the one before held; what somebody else has
 * ended meanwhile stays ended.
 */
export class Link {
  readonly #options: SessionOptions
  #session: Session | undefined
  /** Settles, never rejecting, when the attempt to open a session has ended. */
  #opening: Promise<void> | undefined
  #fault = new L402Error('store_unavailable', 'the ledger is closed')
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  /** A session other than the first is there. */
  onReopened: () => void = () => {}

  constructor(options: SessionOptions, first: Session) {
    this.#options = options
    this.#use(first)
  }

  /** The session, if there is one; waits for one that is being opened. Else throws why there is none. */
  async session(): Promise<Session> {
    if (this.#session?.connection.over === true) this.#drop()
    if (this.#session === undefined) await this.#opening
    if (this.#session === undefined) throw this.#fault
    return this.#session
  }

  /** Why there is no session and none is being opened. */
  get fault(): L402Error | undefined {
    return this.#session === undefined && this.#opening === undefined ? this.#fault : undefined
  }

  /** Opens no more sessions. Answers the last one, if it is alive. */
  async stop(): Promise<Session | undefined> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#opening
    const last = this.#session
    this.#session = undefined
    return last?.connection.over === true ? undefined : last
  }

  #use(session: Session): void {
    this.#session = session
    void session.connection.lost.then(() => {
      if (this.#session === session) this.#drop()
    })
  }

  #drop(): void {
    this.#session = undefined
    if (!this.#stopped) this.#open(BACKOFF_MS[0])
  }

  #open(nextDelayMs: number): void {
    this.#opening = openSession(this.#options).then(
      (session) => {
        this.#opening = undefined
        this.#use(session)
        if (!this.#stopped) this.onReopened()
      },
      (error: unknown) => {
        this.#opening = undefined
        this.#fault =
          error instanceof L402Error && error.code === 'store_unavailable'
            ? error
            : new L402Error('store_unavailable', error instanceof Error ? error.message : String(error))
        if (this.#stopped) return
        const later = Math.min(2 * nextDelayMs, BACKOFF_MS[1])
        this.#timer = setTimeout(() => this.#open(later), nextDelayMs).unref()
      },
    )
  }
}
