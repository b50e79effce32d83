/** Admission to the channel, and keeping the buyer's side of it filled. */

import type { SandboxNode } from './node.ts'
import { MAX_HTLCS } from './node-parts.ts'

/** Leaves room for what comes back the other way. */
const MAX_IN_FLIGHT = Math.floor(MAX_HTLCS / 2)
/** The seller can hand back what it has received only when both sides have forgotten the payment itself. */
const SETTLE_MS = 5
const PATIENCE_MS = 10_000

/**
 * Admits payments first come, first served. All payments go one way, so the seller hands back what it has
 * received whenever the buyer's side has fallen below half, or when a payment does not fit otherwise.
 */
export class ChannelKeeper {
  readonly #buyer: SandboxNode
  readonly #fullMsat: bigint
  readonly #handBack: () => Promise<boolean>
  readonly #waiting: (() => void)[] = []
  #queue: Promise<unknown> = Promise.resolve()
  #inFlight = 0
  #refill: Promise<boolean> | undefined
  #stopped = false

  /** `handBack` pays the seller's money back to the buyer; `false`: there was nothing, or it did not work. */
  constructor(buyer: SandboxNode, fullMsat: bigint, handBack: () => Promise<boolean>) {
    this.#buyer = buyer
    this.#fullMsat = fullMsat
    this.#handBack = handBack
  }

  /**
   * Runs `send` as soon as the channel can carry the amount. Answers `false` without running it when it does not
   * come to that. A payment that was sent must `leave` when it ends.
   */
  enter(amountMsat: bigint, send: () => void): Promise<boolean> {
    const turn = this.#queue.then(() => this.#admit(amountMsat, send))
    this.#queue = turn.catch(() => undefined)
    return turn
  }

  leave(): void {
    this.#inFlight--
    for (const wake of this.#waiting.splice(0)) wake()
    if (!this.#stopped && this.#limitMsat() < this.#fullMsat / 2n) void this.#refilled()
  }

  stop(): void {
    this.#stopped = true
    for (const wake of this.#waiting.splice(0)) wake()
  }

  async #admit(amountMsat: bigint, send: () => void): Promise<boolean> {
    const end = performance.now() + PATIENCE_MS
    while (!this.#stopped) {
      const room = this.#inFlight < MAX_IN_FLIGHT
      if (room && this.#limitMsat() >= amountMsat) {
        this.#inFlight++
        send()
        return true
      }
      if (room && (await this.#refilled())) continue
      if (this.#inFlight === 0 && performance.now() > end) return false
      await this.#change()
    }
    return false
  }

  /** The end of some payment, or a moment while there is none. */
  #change(): Promise<void> {
    return new Promise((wake) => {
      if (this.#inFlight > 0) this.#waiting.push(wake)
      else setTimeout(wake, SETTLE_MS)
    })
  }

  #limitMsat(): bigint {
    return this.#buyer.channel()?.limitMsat ?? 0n
  }

  #refilled(): Promise<boolean> {
    this.#refill ??= this.#handBack()
      .catch(() => false)
      .finally(() => {
        this.#refill = undefined
      })
    return this.#refill
  }
}
