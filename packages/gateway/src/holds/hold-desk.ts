/**
 * Payment on delivery. An unpaid request is kept with its challenge; when the node holds the payment, the request is run, and
 * its answer kept in the books; only then the payment is settled, which gives the buyer the preimage and so the answer. Where
 * there is no such answer, the payment is given back.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { decodeHex, encodeHex } from '@turnpike/l402'
import type { InvoiceBackend, InvoiceState } from '@turnpike/l402/lightning'
import { clientPrefix, type HeldSale } from '@turnpike/l402/server'
import type { DataPlane, HeldRequest, HoldKeeper } from '../proxy/data-plane-types.ts'
import type { HoldJournal, OpenHold } from './hold-journal.ts'
import { KeptReply, KeptRequest } from './kept-request.ts'

/** What a hold desk works with. */
export interface HoldDeskOptions {
  readonly lightning: InvoiceBackend
  readonly journal: HoldJournal
  /** The way that every request goes. */
  readonly plane: () => Pick<DataPlane, 'listener'>
  /** The preimage of an invoice that was made before the last start, where the master keys still have it. */
  readonly preimageOf: (hold: Pick<HeldSale, 'tokenId' | 'paymentHash'>) => Uint8Array | undefined
  /** Told what an operator should know. */
  readonly warn: (message: string) => void
  /** Milliseconds since 1970. */
  readonly now?: () => number
  /** Most requests that wait for their payment, a quarter of them from one client prefix (rule S10); 100 if left out. */
  readonly most?: number
  /** Milliseconds from payment to answer, after which it is given back; 60,000 if left out. */
  readonly withinMs?: number
  /** Milliseconds between two questions to the node about one invoice; 250 if left out. */
  readonly pollMs?: number
}

/** See {@link createHoldDesk}. */
export interface HoldDesk extends HoldKeeper {
  /** How many payments it waits for, holds, or has to give back. */
  readonly open: number
  /** Takes over a payment whose request is gone with the process that kept it: it is settled where it was answered, else given back. */
  adopt(facts: OpenHold): void
  /**
   * Takes nothing more, makes unpayable what is not paid, and ends what is within `graceMs`, else gives it back. What the node
   * does not answer is left to the next start.
   */
  stop(graceMs?: number): Promise<void>
}

/** One payment. */
interface Hold {
  readonly facts: OpenHold
  readonly paymentHash: Uint8Array
  readonly preimage: Uint8Array | undefined
  /** `undefined`: its request did not outlive the gateway. */
  readonly request: { readonly held: HeldRequest; readonly sale: HeldSale } | undefined
}

const QUICK_MS = 30_000
const SLOW_MS = 2_000

/** See the top of this file. Takes up at once what the journal has found. */
export function createHoldDesk(options: HoldDeskOptions): HoldDesk {
  const { lightning, journal, warn, now = Date.now, most = 100 } = options
  const { withinMs = 60_000, pollMs = 250 } = options
  const stopping = new AbortController()
  const ended = new AbortController()
  const running = new Set<Promise<void>>()
  const mostOfPrefix = Math.max(1, Math.floor(most / 4))
  const ofPrefix = new Map<string, number>()
  let stopped: Promise<void> | undefined

  const pause = (ms: number): Promise<void> =>
    sleep(ms, undefined, { signal: stopping.signal, ref: false }).catch(() => {})

  /** What the node says; `undefined` where it says nothing. */
  async function stateOf({ paymentHash }: Hold): Promise<InvoiceState | undefined> {
    return lightning.lookupInvoice(paymentHash).catch(() => undefined)
  }

  /** Until it is over; answers whether it is, or is left to the next start. */
  async function follow(hold: Hold): Promise<boolean> {
    const since = now()
    for (;;) {
      const state = await stateOf(hold)
      if (state === 'accepted') return (await isServed(hold)) ? settle(hold) : giveBack(hold)
      if (state !== undefined && state !== 'open') return true
      // Nobody could serve it any more.
      const lost = hold.request === undefined || stopping.signal.aborted
      if (lost && state === 'open') return giveBack(hold)
      if (stopping.signal.aborted) return false
      await pause(now() - since < QUICK_MS ? pollMs : SLOW_MS)
    }
  }

  /** Whether what was bought is there to be had, in the journal, too. */
  async function isServed({ facts, request }: Hold): Promise<boolean> {
    if (facts.answered) return true
    if (request === undefined || !(await run(request.held, request.sale))) return false
    try {
      await journal.add({ ...facts, answered: true })
      return true
    } catch {
      warn('a payment is given back: that it has been answered could not be written down')
      return false
    }
  }

  /** Runs the request, and then asks for the answer as its buyer will. */
  async function run(held: HeldRequest, sale: HeldSale): Promise<boolean> {
    const late = AbortSignal.any([AbortSignal.timeout(withinMs), ended.signal])
    const ask = async () => {
      if (late.aborted) return { status: 0, kept: false, later: false }
      const request = new KeptRequest(held, sale)
      const reply = new KeptReply(request)
      const leave = (): void => reply.destroy()
      late.addEventListener('abort', leave, { once: true })
      options.plane().listener(request, reply)
      const outcome = await reply.outcome
      late.removeEventListener('abort', leave)
      request.destroy()
      return outcome
    }
    const first = await ask()
    if (first.status === 0 || first.status >= 500) return false
    for (;;) {
      const again = await ask()
      // The books may still be writing.
      if (again.kept || !again.later || late.aborted) return again.kept
      await sleep(pollMs)
    }
  }

  async function settle(hold: Hold): Promise<boolean> {
    const { preimage } = hold
    if (preimage === undefined) {
      warn('a held payment is given back: the master key that made its preimage is gone')
      return giveBack(hold)
    }
    for (;;) {
      try {
        await lightning.settleHoldInvoice?.(preimage)
        return true
      } catch {
        const state = await stateOf(hold)
        if (state === 'settled') return true
        if (state !== undefined && state !== 'accepted' && state !== 'open') {
          warn(`a request was served and is not paid for: its payment is ${state}`)
          return true
        }
      }
      if (stopping.signal.aborted) return false
      await pause(1_000)
    }
  }

  async function giveBack({ paymentHash }: Hold): Promise<boolean> {
    for (;;) {
      try {
        await lightning.cancelInvoice?.(paymentHash)
        return true
      } catch {
        if (stopping.signal.aborted) return false
      }
      await pause(1_000)
    }
  }

  /** Whoever pays nothing must leave room for others (rule S10). Answers whether there was a place. */
  function takePlace(prefix: string): boolean {
    const taken = ofPrefix.get(prefix) ?? 0
    if (taken >= mostOfPrefix) return false
    ofPrefix.set(prefix, taken + 1)
    return true
  }

  function leavePlace(prefix: string): void {
    const left = (ofPrefix.get(prefix) ?? 0) - 1
    if (left > 0) ofPrefix.set(prefix, left)
    else ofPrefix.delete(prefix)
  }

  function begin(hold: Hold): void {
    const { request } = hold
    const task = follow(hold)
      .then((over) => (over ? journal.done(hold.facts.paymentHash) : undefined))
      .catch(() => warn('a held payment could not be followed: it is looked up again at the next start'))
      .finally(() => {
        running.delete(task)
        if (request !== undefined) leavePlace(clientPrefix(request.held.clientAddress))
      })
    running.add(task)
  }

  function adopt(facts: OpenHold): void {
    const paymentHash = decodeHex(facts.paymentHash) ?? new Uint8Array(32)
    const tokenId = decodeHex(facts.tokenId) ?? new Uint8Array(32)
    begin({ facts, paymentHash, preimage: options.preimageOf({ tokenId, paymentHash }), request: undefined })
  }

  for (const facts of journal.found) adopt(facts)

  return {
    adopt(facts) {
      // What comes later is in the journal, for the next start.
      if (!stopping.signal.aborted) adopt(facts)
    },
    async keep(held, sale) {
      if (stopping.signal.aborted || running.size >= most) return false
      const prefix = clientPrefix(held.clientAddress)
      if (!takePlace(prefix)) return false
      const { paymentHash, preimage, expiresAt } = sale
      const facts: OpenHold = {
        paymentHash: encodeHex(paymentHash),
        tokenId: encodeHex(sale.tokenId),
        expiresAt,
        answered: false,
      }
      try {
        // Before anybody can pay it.
        await journal.add(facts)
      } catch {
        leavePlace(prefix)
        warn('nothing is sold on delivery: the file of held payments cannot be written')
        return false
      }
      begin({ facts, paymentHash, preimage, request: { held, sale } })
      return true
    },
    get open() {
      return running.size
    },
    stop(graceMs = withinMs) {
      if (stopped !== undefined) return stopped
      stopping.abort()
      const timer = setTimeout(() => ended.abort(), graceMs)
      stopped = Promise.all(running).then(() => {
        clearTimeout(timer)
        return journal.close()
      })
      return stopped
    },
  }
}
