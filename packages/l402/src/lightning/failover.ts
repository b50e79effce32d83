/** Several sellers' backends in order: the first that works makes the invoice. */

import { encodeHex } from '../core/bytes.ts'
import { isL402Error, L402Error } from '../core/errors.ts'
import type { Network } from '../core/network.ts'
import type {
  CreatedInvoice,
  InvoiceBackend,
  InvoiceCapabilities,
  InvoiceDetails,
  InvoiceRequest,
  InvoiceState,
} from './backend.ts'
import { Book } from './lib/book.ts'
import { Member } from './lib/member.ts'

/** One backend of several. */
export interface FailoverBackend {
  /** For messages. */
  readonly name: string
  /** Opens it; called again after a failure. */
  readonly open: () => Promise<InvoiceBackend>
}

/** What to be careful about. */
export interface FailoverOptions {
  /** In the order they are asked. */
  readonly backends: readonly FailoverBackend[]
  /** Failures in a row after which a backend is left alone for a while; default 3. */
  readonly failuresToOpen?: number
  /** For how long, in milliseconds; default 15 seconds. */
  readonly restMs?: number
  /** Invoices at a time that one backend is asked for; default 32. What is more goes to the next. */
  readonly atOnce?: number
  /** Milliseconds that one backend may take, opening included, before the next is asked; default 3 seconds. */
  readonly patienceMs?: number
  /** Milliseconds that each has to open at first; default 10 seconds. What takes longer is used once it is there. */
  readonly openMs?: number
  /** Told in plain words when a backend fails or works again. */
  readonly onEvent?: (message: string) => void
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/**
 * An {@link InvoiceBackend} out of several on one network. An invoice is looked up where it was made. It can what all
 * of those can that are there at first.
 *
 * @throws `lightning_unavailable` where none can be opened, `lightning_invalid` where two are on different networks.
 */
export async function failover(options: FailoverOptions): Promise<InvoiceBackend> {
  const { backends, now = Date.now, onEvent = () => {} } = options
  if (backends.length === 0) throw new TypeError('backends: expected at least one')
  const { failuresToOpen = 3, restMs = 15_000, atOnce = 32, patienceMs = 3_000, openMs = 10_000 } = options
  const settings = { failuresToOpen, restMs, atOnce, patienceMs, openMs, now, onEvent }
  const members = backends.map((backend) => new Member(backend, settings))
  const faults = await Promise.all(members.map((member) => member.start()))
  const opened = members.flatMap(({ backend }) => (backend === undefined ? [] : [backend]))
  const [first] = opened
  if (first === undefined) {
    await Promise.all(members.map((member) => member.close()))
    throw faults.find((fault) => fault !== undefined)
  }
  const { network } = first
  if (opened.some((backend) => backend.network !== network)) {
    await Promise.all(members.map((member) => member.close()))
    throw new L402Error('lightning_invalid', 'the Lightning backends are on different networks, expected one')
  }
  const all = (can: (capabilities: InvoiceCapabilities) => boolean): boolean =>
    opened.every(({ invoiceCapabilities }) => can(invoiceCapabilities))
  const capabilities = { exactMsat: all((c) => c.exactMsat), looksUp: all((c) => c.looksUp) }
  return new Several(members, { network, capabilities, now })
}

class Several implements InvoiceBackend {
  readonly network: Network
  readonly invoiceCapabilities: InvoiceCapabilities
  readonly #members: readonly Member[]
  readonly #now: () => number
  readonly #makers = new Book<{ readonly expiresAt: number; readonly member: Member }>()

  constructor(
    members: readonly Member[],
    about: {
      readonly network: Network
      readonly capabilities: InvoiceCapabilities
      readonly now: () => number
    },
  ) {
    this.#members = members
    this.network = about.network
    this.invoiceCapabilities = about.capabilities
    this.#now = about.now
  }

  async createInvoice(request: InvoiceRequest): Promise<CreatedInvoice> {
    let last: unknown
    for (const member of this.#members) {
      if (request.signal?.aborted) break
      try {
        const created = await member.createInvoice(request, this.network)
        if (created === undefined) continue
        const { expiresAt, paymentHash } = created
        this.#makers.set(encodeHex(paymentHash), { expiresAt, member }, Math.floor(this.#now() / 1000))
        return created
      } catch (error) {
        // Terms that no invoice can have are the caller's fault.
        if (!isL402Error(error)) throw error
        last = error
      }
    }
    throw last ?? new L402Error('lightning_unavailable', 'no Lightning backend can make an invoice right now')
  }

  async lookupInvoice(paymentHash: Uint8Array): Promise<InvoiceState> {
    return (
      await this.#found(paymentHash, async (member) => ({ state: await member.lookupInvoice(paymentHash) }))
    ).state
  }

  async invoiceDetails(paymentHash: Uint8Array): Promise<InvoiceDetails> {
    return await this.#found(paymentHash, (member) => member.invoiceDetails(paymentHash))
  }

  async #found(
    paymentHash: Uint8Array,
    ask: (member: Member) => Promise<InvoiceDetails>,
  ): Promise<InvoiceDetails> {
    const maker = this.#makers.get(encodeHex(paymentHash))?.member
    if (maker !== undefined) return await ask(maker)
    // Made before the last start: whoever knows it. One that cannot be asked leaves it open.
    let fault: unknown
    for (const member of this.#members) {
      try {
        const details = await ask(member)
        if (details.state !== 'unknown') return details
      } catch (error) {
        fault = error
      }
    }
    if (fault !== undefined) throw fault
    return { state: 'unknown' }
  }

  async ping(): Promise<void> {
    try {
      // All are asked, and one that works is enough: a slow one is not waited for.
      await Promise.any(this.#members.map((member) => member.ping()))
    } catch {
      throw new L402Error('lightning_unavailable', 'no Lightning backend can be reached')
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.close()))
  }
}
