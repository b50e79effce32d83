/** An LNURL-pay service, its answers taken as hostile (LUD-06, LUD-21). */

import { encodeUtf8, equalBytes } from '../../core/bytes.ts'
import { L402Error } from '../../core/errors.ts'
import { sha256 } from '../../core/hash.ts'
import type { InvoiceState } from '../backend.ts'
import { readInvoice } from '../lib/invoice-facts.ts'
import { answerOf, failCall, type Rest, restClient } from '../lib/rest.ts'
import { hash32, type JsonObject, objectOf, textOf, wholeOf } from '../lib/values.ts'
import { isSecure } from './address.ts'

/** What the service says of itself. */
export interface PayTerms {
  readonly callback: URL
  readonly leastMsat: bigint
  readonly mostMsat: bigint
  readonly metadata: string
  /** Characters of a comment it takes. */
  readonly comment: number
}

/** An invoice of the service's. */
export interface ServiceInvoice {
  readonly invoice: string
  /** Where to ask whether it has been paid (LUD-21). */
  readonly verify: URL
}

/** The calls that make up LNURL-pay. */
export interface PayService {
  readonly who: string
  terms(): Promise<PayTerms>
  invoice(
    terms: PayTerms,
    asked: { readonly amountMsat: bigint; readonly memo: string; readonly signal?: AbortSignal | undefined },
  ): Promise<ServiceInvoice>
  state(
    made: ServiceInvoice,
    of: { readonly paymentHash: Uint8Array; readonly expired: boolean },
  ): Promise<InvoiceState>
}

export function payService(url: URL, fetch: typeof globalThis.fetch | undefined): PayService {
  const who = `LNURL at ${url.host}`
  const get = async (at: URL, signal?: AbortSignal): Promise<JsonObject> => {
    const rest: Rest = restClient({ name: 'LNURL', url: at.origin, headers: {}, fetch })
    const answer = answerOf(rest, await rest.call(`${at.pathname.slice(1)}${at.search}`, { signal }))
    const { status, body } = answer
    // Some services answer their errors with 404 or 400.
    if (objectOf(body)['status'] === 'ERROR')
      throw new ServiceRefusal(`${who}: refused: ${textOf(objectOf(body)['reason'], 'without a reason')}`)
    if (status !== 200 || typeof body !== 'object' || body === null) failCall(rest, answer)
    return objectOf(body)
  }
  const invalid = (what: string): L402Error => new L402Error('lightning_invalid', `${who}: ${what}`)
  /** A URL out of an answer: nothing that a stranger could have this machine ask of itself. */
  const follow = (value: unknown, what: string): URL => {
    const found = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined
    const right = found !== undefined && isSecure(found) && found.username === '' && found.password === ''
    if (!right || (found.protocol === 'http:' && found.hostname !== url.hostname))
      throw invalid(`expected an https URL as ${what}`)
    found.hash = ''
    return found
  }

  return {
    who,
    async terms() {
      const body = await get(url)
      const [leastMsat, mostMsat] = [wholeOf(body['minSendable']), wholeOf(body['maxSendable'])]
      const { metadata } = body
      if (body['tag'] !== 'payRequest' || leastMsat === undefined || mostMsat === undefined)
        throw invalid('expected a pay request (LUD-06)')
      if (leastMsat < 1n || mostMsat < leastMsat || typeof metadata !== 'string')
        throw invalid('a pay request whose terms nobody can meet')
      const comment = Number(wholeOf(body['commentAllowed']) ?? 0n)
      return { callback: follow(body['callback'], 'callback'), leastMsat, mostMsat, metadata, comment }
    },
    async invoice(terms, { amountMsat, memo, signal }) {
      const { leastMsat, mostMsat, callback, comment, metadata } = terms
      if (amountMsat < leastMsat || amountMsat > mostMsat)
        throw new L402Error('lightning_unavailable', `${who}: takes ${leastMsat} to ${mostMsat} msat only`)
      const at = new URL(callback)
      at.searchParams.set('amount', String(amountMsat))
      const words = Array.from(memo).slice(0, comment).join('')
      if (words !== '') at.searchParams.set('comment', words)
      const body = await get(at, signal)
      const facts = readInvoice(who, body['pr'])
      const hash = facts.descriptionHash
      if (hash !== null && !equalBytes(hash, sha256(encodeUtf8(metadata))))
        throw invalid('made an invoice for another description than its own')
      if (body['verify'] === undefined || body['verify'] === null)
        throw invalid(
          'does not say where to ask whether an invoice was paid (LUD-21 verify), so it cannot be used',
        )
      return { invoice: String(body['pr']), verify: follow(body['verify'], 'verify') }
    },
    async state({ invoice, verify }, { paymentHash, expired }) {
      const unsettled = expired ? 'expired' : 'open'
      try {
        const body = await get(verify)
        const { settled, pr } = body
        if (typeof settled !== 'boolean') throw invalid('expected settled: true or false (LUD-21)')
        if (typeof pr !== 'string' || pr.toLowerCase() !== invoice.toLowerCase())
          throw invalid('told of another invoice than it was asked for')
        if (!settled) return unsettled
        const { preimage } = body
        const proof = hash32(preimage)
        if (typeof preimage === 'string' && (proof === undefined || !equalBytes(sha256(proof), paymentHash)))
          throw invalid('a preimage that is not that of the invoice')
        return 'settled'
      } catch (error) {
        // It forgets what nobody has paid in time.
        if (error instanceof ServiceRefusal) return expired ? 'expired' : 'unknown'
        throw error
      }
    },
  }
}

class ServiceRefusal extends L402Error {
  constructor(message: string) {
    super('lightning_unavailable', message)
  }
}
