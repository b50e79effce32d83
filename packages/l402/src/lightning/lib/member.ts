/** One backend among several: opened again when it has failed, left alone for a while when it keeps failing. */

import { isL402Error, L402Error } from '../../core/errors.ts'
import type { Network } from '../../core/network.ts'
import type {
  CreatedInvoice,
  InvoiceBackend,
  InvoiceDetails,
  InvoiceRequest,
  InvoiceState,
  Settlement,
  SettlementsFrom,
} from '../backend.ts'

/** See `FailoverOptions`. */
interface MemberSettings {
  readonly failuresToOpen: number
  readonly restMs: number
  readonly atOnce: number
  readonly patienceMs: number
  readonly openMs: number
  readonly now: () => number
  readonly onEvent: (message: string) => void
}

/** Makes an invoice with a backend; `undefined` where it makes none of this kind. */
export type Maker = (
  backend: InvoiceBackend,
  request: InvoiceRequest & { readonly signal: AbortSignal },
) => Promise<CreatedInvoice> | undefined

const RETRY_MS = [500, 2_000, 10_000, 30_000]

export class Member {
  backend: InvoiceBackend | undefined
  readonly #of: { readonly name: string; readonly open: () => Promise<InvoiceBackend> }
  readonly #settings: MemberSettings
  #opening: Promise<InvoiceBackend> | undefined
  #failures = 0
  #restsUntil = 0
  #busy = 0
  /** Somebody tries it after its rest; the others wait for what comes of that. */
  #tried = false
  #pinging: Promise<void> | undefined
  #closed = false
  readonly #ended = new AbortController()

  constructor(
    of: { readonly name: string; readonly open: () => Promise<InvoiceBackend> },
    settings: MemberSettings,
  ) {
    this.#of = of
    this.#settings = settings
  }

  /** Opens it for the first time; answers what went wrong, also where it takes longer than `openMs`. */
  async start(): Promise<unknown> {
    try {
      await this.#timely(this.#opened(), this.#settings.openMs)
      return undefined
    } catch (error) {
      // A setting that cannot be meant is no outage.
      if (!isL402Error(error)) throw error
      this.#failed(error)
      return error
    }
  }

  /** `undefined` where it rests, is being tried after a rest, has enough to do, or makes none of this kind. */
  async createInvoice(
    request: InvoiceRequest,
    { network, make }: { readonly network: Network; readonly make: Maker },
  ): Promise<CreatedInvoice | undefined> {
    const { atOnce, patienceMs, failuresToOpen } = this.#settings
    if (this.#rests() || this.#busy >= atOnce) return undefined
    const trial = this.#failures >= failuresToOpen
    if (trial && this.#tried) return undefined
    if (trial) this.#tried = true
    const patience = AbortSignal.timeout(patienceMs)
    const signal = request.signal === undefined ? patience : AbortSignal.any([patience, request.signal])
    try {
      const created = await abortable(
        this.#make({ ...request, signal }, { network, make }),
        signal,
        this.#of.name,
      )
      this.#worked()
      return created
    } catch (error) {
      // A caller that has given up says nothing about the backend.
      if (isL402Error(error) && !request.signal?.aborted) this.#failed(error)
      throw error
    } finally {
      if (trial) this.#tried = false
    }
  }

  /** Counts as busy until it has really ended, also where nobody waits for it any more. */
  async #make(
    request: InvoiceRequest & { readonly signal: AbortSignal },
    { network, make }: { readonly network: Network; readonly make: Maker },
  ): Promise<CreatedInvoice | undefined> {
    this.#busy++
    try {
      const backend = await this.#openedOn(network)
      if (request.signal.aborted) throw late(this.#of.name)
      return await make(backend, request)
    } finally {
      this.#busy--
    }
  }

  async lookupInvoice(paymentHash: Uint8Array): Promise<InvoiceState> {
    return await this.#timely(this.#opened().then((backend) => backend.lookupInvoice(paymentHash)))
  }

  async invoiceDetails(paymentHash: Uint8Array): Promise<InvoiceDetails> {
    const ask = async (): Promise<InvoiceDetails> => {
      const backend = await this.#opened()
      if (backend.invoiceDetails !== undefined) return await backend.invoiceDetails(paymentHash)
      return { state: await backend.lookupInvoice(paymentHash) }
    }
    return await this.#timely(ask())
  }

  async cancelInvoice(paymentHash: Uint8Array): Promise<InvoiceState> {
    const cancel = async (): Promise<InvoiceState> =>
      (await (await this.#opened()).cancelInvoice?.(paymentHash)) ?? this.#cannot('take invoices back')
    return await this.#timely(cancel())
  }

  async settleHoldInvoice(preimage: Uint8Array): Promise<void> {
    const settle = async (): Promise<void> => {
      const backend = await this.#opened()
      if (backend.settleHoldInvoice === undefined) return this.#cannot('hold payments')
      await backend.settleHoldInvoice(preimage)
    }
    await this.#timely(settle())
  }

  /** `null` where it does not say, or is not there. */
  async receivableMsat(): Promise<bigint | null> {
    const ask = async (): Promise<bigint | null> => (await (await this.#opened()).receivableMsat?.()) ?? null
    return await this.#timely(ask()).catch(() => null)
  }

  /** Goes on after its last one when the connection is lost, as long as the signal lets it. */
  async *settlements({ after, signal }: SettlementsFrom, network: Network): AsyncGenerator<Settlement> {
    const { onEvent } = this.#settings
    const either = AbortSignal.any([signal, this.#ended.signal])
    let cursor = after
    for (let failures = 0; !either.aborted; failures++) {
      try {
        const backend = await abortable(this.#openedOn(network), either, this.#of.name)
        if (backend.settlements === undefined) return
        const from = { ...(cursor === undefined ? {} : { after: cursor }), signal: either }
        for await (const settlement of backend.settlements(from)) {
          failures = 0
          cursor = settlement.cursor
          yield settlement
        }
      } catch (error) {
        if (either.aborted) return
        // A cursor that this backend cannot have made.
        if (error instanceof RangeError) cursor = undefined
        else if (!isL402Error(error)) throw error
        const why = isL402Error(error) ? error.message : 'it does not know where it was'
        if (failures === 0)
          onEvent(`Lightning backend ${this.#of.name}: does not tell of settlements right now; ${why}`)
      }
      await pause(RETRY_MS[Math.min(failures, RETRY_MS.length - 1)] ?? 0, either)
    }
  }

  async ping(): Promise<void> {
    // Probes come often: one that hangs is not joined by more.
    this.#pinging ??= this.#opened()
      .then((backend) => backend.ping())
      .finally(() => {
        this.#pinging = undefined
      })
    try {
      await this.#timely(this.#pinging)
      this.#worked()
    } catch (error) {
      this.#failed(error)
      throw error
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#ended.abort()
    if (this.backend !== undefined) return await this.backend.close()
    // What is opened later than this closes itself.
    if (this.#opening !== undefined) await this.#timely(this.#opening).catch(() => undefined)
  }

  async #opened(): Promise<InvoiceBackend> {
    if (this.#closed) throw this.#isClosed()
    if (this.backend !== undefined) return this.backend
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    return await this.#opening
  }

  async #openedOn(network: Network): Promise<InvoiceBackend> {
    const backend = await this.#opened()
    if (backend.network === network) return backend
    const { name } = this.#of
    throw new L402Error('lightning_invalid', `${name} is on ${backend.network}, expected ${network}`)
  }

  async #open(): Promise<InvoiceBackend> {
    const backend = await this.#of.open()
    if (this.#closed) {
      await backend.close()
      throw this.#isClosed()
    }
    this.backend = backend
    for (const warning of backend.warnings ?? []) this.#settings.onEvent(warning)
    return backend
  }

  #cannot(what: string): never {
    throw new L402Error('lightning_unavailable', `${this.#of.name}: cannot ${what}`)
  }

  #isClosed(): L402Error {
    return new L402Error('lightning_unavailable', `${this.#of.name}: closed`)
  }

  #timely<T>(work: Promise<T>, timeoutMs = this.#settings.patienceMs): Promise<T> {
    return abortable(work, AbortSignal.timeout(timeoutMs), this.#of.name)
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

function late(name: string): L402Error {
  return new L402Error('lightning_unavailable', `${name}: no answer in time`)
}

function abortable<T>(work: Promise<T>, signal: AbortSignal, name: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => reject(late(name))
    if (signal.aborted) giveUp()
    signal.addEventListener('abort', giveUp, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp))
  })
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
  })
}
