/** Several sellers' backends in order: the first that works makes the invoice. */

import { encodeHex } from '../core/bytes.ts'
import { isL402Error, L402Error } from '../core/errors.ts'
import { sha256 } from '../core/hash.ts'
import type { Network } from '../core/network.ts'
import type {
  CreatedInvoice,
  InvoiceBackend,
  InvoiceCapabilities,
  InvoiceDetails,
  InvoiceRequest,
  InvoiceState,
  SettlementsFrom,
} from './backend.ts'
import { Book } from './lib/book.ts'
import { type Maker, Member } from './lib/member.ts'
import { mergeSettlements } from './lib/merge-settlements.ts'

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
 * An {@link InvoiceBackend} out of several on one network. An invoice is looked up, cancelled and settled where it was made.
 * It can what all of those can that are there at first; settlements are those of all that tell of them, each from a cursor of
 * its own, and one that is away goes on after its last one when it is back.
 *
 * @throws `lightning_unavailable` where none can be opened, `lightning_invalid` with the detail `network` where two are on
 * different networks; what is no `L402Error` is passed on as it is.
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
    const networks = new Set(opened.map((backend) => backend.network))
    throw new L402Error(
      'lightning_invalid',
      `the Lightning backends are on different networks (${[...networks].join(', ')}), expected one`,
      { details: { network } },
    )
  }
  const all = (can: (capabilities: InvoiceCapabilities) => boolean | undefined): boolean =>
    opened.every(({ invoiceCapabilities }) => can(invoiceCapabilities) === true)
  const capabilities = {
    exactMsat: all((c) => c.exactMsat),
    looksUp: all((c) => c.looksUp),
    // Of one that is not there yet it is not known.
    subscribes: opened.length === members.length && all((c) => c.subscribes),
    cancels: all((c) => c.cancels),
    holds: all((c) => c.holds && c.cancels),
  }
  return new Several(members, { network, capabilities, now })
}

const plain: Maker = (backend, request) => backend.createInvoice(request)

class Several implements InvoiceBackend {
  readonly network: Network
  readonly invoiceCapabilities: InvoiceCapabilities
  readonly settlements?: (from: SettlementsFrom) => ReturnType<typeof mergeSettlements>
  readonly cancelInvoice?: (paymentHash: Uint8Array) => Promise<InvoiceState>
  readonly createHoldInvoice?: NonNullable<InvoiceBackend['createHoldInvoice']>
  readonly settleHoldInvoice?: (preimage: Uint8Array) => Promise<void>
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
    const { network, capabilities } = about
    this.#members = members
    this.network = network
    this.invoiceCapabilities = capabilities
    this.#now = about.now
    if (members.some(({ backend }) => backend === undefined || backend.settlements !== undefined)) {
      const sources = members.map((member) => (from: SettlementsFrom) => member.settlements(from, network))
      this.settlements = (from) => mergeSettlements(sources, from)
    }
    if (capabilities.cancels) this.cancelInvoice = (paymentHash) => this.#cancel(paymentHash)
    if (!capabilities.holds) return
    this.createHoldInvoice = (request) => {
      const { paymentHash } = request
      // One that came later may hold none. Its hash is ours: whoever answers too late may have made it all the same, and no
      // other must have one of this hash, too.
      const make: Maker = (backend, one) => backend.createHoldInvoice?.({ ...one, paymentHash })
      return this.#create(request, make, { once: true })
    }
    this.settleHoldInvoice = (preimage) => this.#settle(preimage)
  }

  async createInvoice(request: InvoiceRequest): Promise<CreatedInvoice> {
    return await this.#create(request, plain)
  }

  async #create(
    request: InvoiceRequest,
    make: Maker,
    { once = false }: { readonly once?: boolean } = {},
  ): Promise<CreatedInvoice> {
    const { network } = this
    let last: unknown
    for (const member of this.#members) {
      if (request.signal?.aborted) break
      try {
        const created = await member.createInvoice(request, { network, make })
        if (created === undefined) continue
        const { expiresAt, paymentHash } = created
        this.#makers.set(encodeHex(paymentHash), { expiresAt, member }, Math.floor(this.#now() / 1000))
        return created
      } catch (error) {
        // Terms that no invoice can have are the caller's fault.
        if (once || !isL402Error(error)) throw error
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
    const { member: _, ...details } = await this.#found(paymentHash, (one) => one.invoiceDetails(paymentHash))
    return details
  }

  async #found(
    paymentHash: Uint8Array,
    ask: (member: Member) => Promise<InvoiceDetails>,
  ): Promise<InvoiceDetails & { readonly member?: Member }> {
    const maker = this.#makers.get(encodeHex(paymentHash))?.member
    if (maker !== undefined) return { ...(await ask(maker)), member: maker }
    // Made before the last start: whoever knows it. One that cannot be asked leaves it open.
    let fault: unknown
    for (const member of this.#members) {
      try {
        const details = await ask(member)
        if (details.state !== 'unknown') return { ...details, member }
      } catch (error) {
        fault = error
      }
    }
    if (fault !== undefined) throw fault
    return { state: 'unknown' }
  }

  /** Who made an invoice. */
  async #makerOf(paymentHash: Uint8Array): Promise<Member | undefined> {
    const known = this.#makers.get(encodeHex(paymentHash))?.member
    const ask = async (one: Member) => ({ state: await one.lookupInvoice(paymentHash) })
    return known ?? (await this.#found(paymentHash, ask)).member
  }

  async #cancel(paymentHash: Uint8Array): Promise<InvoiceState> {
    return (await (await this.#makerOf(paymentHash))?.cancelInvoice(paymentHash)) ?? 'unknown'
  }

  async #settle(preimage: Uint8Array): Promise<void> {
    const maker = await this.#makerOf(Uint8Array.from(sha256(preimage)))
    if (maker === undefined)
      throw new L402Error('lightning_unavailable', 'no Lightning backend has an invoice of this preimage')
    await maker.settleHoldInvoice(preimage)
  }

  /** The least of what they say: any of them may be the one that makes the invoice. */
  async receivableMsat(): Promise<bigint | null> {
    const all = await Promise.all(this.#members.map((member) => member.receivableMsat()))
    return all.reduce((least, one) => (least === null || (one !== null && one < least) ? one : least), null)
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
