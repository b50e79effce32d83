/** One backend among several: opened again when it has failed, left alone for a while when it keeps failing. */

import { isL402Error, L402Error } from '../../core/errors.ts'
import type { Network } from '../../core/network.ts'
import type {
  CreatedInvoice,
  InvoiceBackend,
  InvoiceDetails,
  InvoiceRequest,
  InvoiceState,
} from '../backend.ts'

/** See `FailoverOptions`. */
interface MemberSettings {
  readonly failuresToOpen: number
  readonly restMs: number
  readonly atOnce: number
  readonly patienceMs: number
  readonly now: () => number
  readonly onEvent: (message: string) => void
}

export class Member {
  backend: InvoiceBackend | undefined
  readonly #of: { readonly name: string; readonly open: () => Promise<InvoiceBackend> }
  readonly #settings: MemberSettings
  #opening: Promise<InvoiceBackend> | undefined
  #failures = 0
  #restsUntil = 0
  #busy = 0
  #closed = false

  constructor(
    of: { readonly name: string; readonly open: () => Promise<InvoiceBackend> },
    settings: MemberSettings,
  ) {
    this.#of = of
    this.#settings = settings
  }

  /** Opens it for the first time; answers what went wrong. */
  async start(): Promise<unknown> {
    try {
      await this.#opened()
      return undefined
    } catch (error) {
      // A setting that cannot be meant is no outage.
      if (!isL402Error(error)) throw error
      this.#failed(error)
      return error
    }
  }

  /** `undefined` where it rests or has enough to do. */
  async createInvoice(request: InvoiceRequest, network: Network): Promise<CreatedInvoice | undefined> {
    const { atOnce, patienceMs } = this.#settings
    if (this.#rests() || this.#busy >= atOnce) return undefined
    this.#busy++
    const patience = AbortSignal.timeout(patienceMs)
    const signal = request.signal === undefined ? patience : AbortSignal.any([patience, request.signal])
    try {
      const backend = await this.#opened()
      if (backend.network !== network)
        throw new L402Error(
          'lightning_invalid',
          `${this.#of.name} is on ${backend.network}, expected ${network}`,
        )
      const created = await abortable(backend.createInvoice({ ...request, signal }), signal, this.#of.name)
      this.#worked()
      return created
    } catch (error) {
      // A caller that has given up says nothing about the backend.
      if (isL402Error(error) && !request.signal?.aborted) this.#failed(error)
      throw error
    } finally {
      this.#busy--
    }
  }

  async lookupInvoice(paymentHash: Uint8Array): Promise<InvoiceState> {
    return await (await this.#opened()).lookupInvoice(paymentHash)
  }

  async invoiceDetails(paymentHash: Uint8Array): Promise<InvoiceDetails> {
    const backend = await this.#opened()
    if (backend.invoiceDetails !== undefined) return await backend.invoiceDetails(paymentHash)
    return { state: await backend.lookupInvoice(paymentHash) }
  }

  async ping(): Promise<void> {
    try {
      await (await this.#opened()).ping()
      this.#worked()
    } catch (error) {
      this.#failed(error)
      throw error
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    const opening = await this.#opening?.catch(() => undefined)
    await (this.backend ?? opening)?.close()
  }

  async #opened(): Promise<InvoiceBackend> {
    if (this.#closed) throw new L402Error('lightning_unavailable', `${this.#of.name}: closed`)
    if (this.backend !== undefined) return this.backend
    this.#opening ??= this.#of.open().finally(() => {
      this.#opening = undefined
    })
    this.backend = await this.#opening
    return this.backend
  }

  #rests(): boolean {
    return this.#settings.now() < this.#restsUntil
  }

  #worked(): void {
    if (this.#failures >= this.#settings.failuresToOpen)
      this.#settings.onEvent(`Lightning backend ${this.#of.name}: works again`)
    this.#failures = 0
    this.#restsUntil = 0
  }

  #failed(error: unknown): void {
    const { failuresToOpen, restMs, now, onEvent } = this.#settings
    this.#failures++
    const why = isL402Error(error) ? error.message : 'an unexpected fault'
    if (this.#failures < failuresToOpen && this.backend !== undefined) return
    if (!this.#rests()) onEvent(`Lightning backend ${this.#of.name}: left alone for ${restMs} ms; ${why}`)
    this.#restsUntil = now() + restMs
    this.#failures = Math.max(this.#failures, failuresToOpen)
  }
}

function abortable<T>(work: Promise<T>, signal: AbortSignal, name: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(new L402Error('lightning_unavailable', `${name}: no invoice in time`))
    signal.addEventListener('abort', giveUp, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp))
  })
}
