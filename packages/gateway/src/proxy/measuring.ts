import {
  type Charge,
  createMeter,
  type Entitlement,
  type Meter,
  pausableClock,
  type StreamMetering,
} from '@turnpike/l402/server'
import { decodeBody } from './decode.ts'
import { latin1Lines } from './raw-lines.ts'

/** What an answer is measured by, and who is told. */
export interface MeasuringOptions {
  readonly charge: Charge
  readonly entitlement: Entitlement
  readonly method: string
  /** The books did not take what the answer has cost so far. Told once until they do again. */
  readonly onFault: (error: unknown) => void
  /** The answer must not go on: the credit is used up and the route cuts off, or the books have been out of reach for long. */
  readonly onEnough: (why: 'exhausted' | 'store_unavailable') => void
}

const DRAW_EVERY_MS = 1_000
// For how long a stream goes on that cannot be charged (protocol §5 rule 9: never free).
const PATIENCE_MS = 30_000

/**
 * Measures one answer, and takes what it has cost from the credit while it goes on: a stream without an end empties the
 * credit as it goes, and a crash loses little of it.
 */
export class Measuring {
  readonly #options: MeasuringOptions
  readonly #meter: Meter
  readonly #clock = pausableClock()
  // The books are told again when the answer has cost more than this.
  #untilMsat: bigint
  #drawing = false
  #lastDrawAt = Number.NEGATIVE_INFINITY
  #failingSince: number | undefined
  #over = false

  constructor(options: MeasuringOptions) {
    const { charge, method } = options
    this.#options = options
    this.#meter = createMeter(charge, { now: this.#clock.now, method, decode: decodeBody })
    // So much is reserved.
    this.#untilMsat = charge.estimateMsat
  }

  /** For a stream that measures its events itself, and is drawn on before each of them. */
  get metering(): StreamMetering {
    return { meter: this.#meter, charge: this.#options.charge, clock: this.#clock }
  }

  /** So many more bytes of the request went out. */
  request(bytes: number): void {
    this.#meter.request(bytes)
  }

  /** The answer begins; `raw` are the lines as the upstream sent them. */
  head(status: number, raw: readonly Buffer[]): void {
    this.#meter.head(status, latin1Lines(raw))
  }

  /** A piece of the answer. `drawing`: it goes out as it comes, so the credit is drawn on where it is time. */
  body(chunk: Buffer, drawing: boolean): void {
    this.#meter.body(chunk)
    if (!drawing || this.#drawing || this.#over) return
    const soFarMsat = this.#meter.soFarMsat
    if (soFarMsat <= this.#untilMsat) return
    const now = performance.now()
    if (now - this.#lastDrawAt < DRAW_EVERY_MS) return
    this.#lastDrawAt = now
    void this.#draw(soFarMsat)
  }

  /** What is certain to have been served of an answer that breaks off now. */
  certain(): bigint {
    this.#over = true
    return this.#meter.soFarMsat
  }

  /** What the answer has cost; see {@link Meter.end}. */
  end(complete: boolean): bigint {
    this.#over = true
    return this.#meter.end(complete)
  }

  async #draw(costMsat: bigint): Promise<void> {
    const { charge, entitlement, onFault, onEnough } = this.#options
    this.#drawing = true
    try {
      const covered = await entitlement.draw(costMsat)
      this.#failingSince = undefined
      this.#untilMsat = costMsat + charge.estimateMsat
      if (!covered && charge.whenEmpty === 'cut' && !this.#over) onEnough('exhausted')
    } catch (error) {
      // Settled meanwhile: the reservation this was for is gone.
      if (this.#over) return
      const now = performance.now()
      if (this.#failingSince === undefined) onFault(error)
      this.#failingSince ??= now
      if (now - this.#failingSince > PATIENCE_MS) onEnough('store_unavailable')
    } finally {
      this.#drawing = false
    }
  }
}
