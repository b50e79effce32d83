import { MAX_AMOUNT_MSAT, parseAmount } from '../../core/amount.ts'
import { quote } from '../../core/lib/quote.ts'
import type { Charge, UnitRate, UsageRates } from './charge.ts'

/** `AMOUNT` for each unit or `AMOUNT/UNITS` for so many, e.g. `5 msat`, `1 sat/1000`; or msat for each as a bigint. */
type RateOffer = string | bigint

/** What a seller writes about what a request costs. Several parts add up. */
export interface ChargeOffer {
  /** Each request, e.g. `100 msat`, or msat as a bigint. */
  readonly fixed?: string | bigint | undefined
  /** Per byte of the request's body. */
  readonly requestBytes?: RateOffer | undefined
  /** Per byte of the answer's body, as transferred. */
  readonly responseBytes?: RateOffer | undefined
  /** Per server-sent event of the answer, without `[DONE]`; an answer that is no event stream is one. */
  readonly events?: RateOffer | undefined
  /** Per second from the first byte of the answer to its last. */
  readonly seconds?: RateOffer | undefined
  /** Per unit that this header line of the answer names. */
  readonly header?: { readonly name: string; readonly rate: RateOffer } | undefined
  /** Per unit in this field of the answer's JSON: dots between keys, array indexes as numbers. */
  readonly json?: { readonly field: string; readonly rate: RateOffer } | undefined
  /** Per token that a language model's answer says it used. */
  readonly usage?:
    | {
        readonly shape: 'openai' | 'anthropic'
        readonly input: RateOffer
        readonly output: RateOffer
        /** Like `input` if left out. */
        readonly cachedInput?: RateOffer | undefined
      }
    | undefined
  /**
   * The handler says what a request costs, besides `fixed`; no other part beside it. For servers whose handlers can: those
   * behind a framework's adapter.
   */
  readonly byHandler?: boolean | undefined
  /**
   * Reserved before the request goes to the resource, and charged where the cost cannot be measured. May be left out where
   * `fixed` is all there is.
   */
  readonly estimate?: string | bigint | undefined
  /** `finish` if left out. */
  readonly whenEmpty?: 'finish' | 'cut' | undefined
}

/**
 * The charge of one route, checked. `at` says in messages which route it is.
 *
 * @throws RangeError or L402Error `malformed` that says what was expected.
 */
export function readCharge(at: string, offer: ChargeOffer): Charge {
  const { fixed, requestBytes, responseBytes, events, seconds, header, json, usage, estimate } = offer
  const whenEmpty = offer.whenEmpty ?? 'finish'
  if (whenEmpty !== 'finish' && whenEmpty !== 'cut')
    throw invalid(at, `whenEmpty to be finish or cut, got ${quote(String(whenEmpty))}`)
  const fixedMsat = fixed === undefined ? 0n : readAmount(`${at}, fixed`, fixed)
  const parts = {
    ...(requestBytes === undefined ? {} : { requestByte: readRate(`${at}, requestBytes`, requestBytes) }),
    ...(responseBytes === undefined ? {} : { responseByte: readRate(`${at}, responseBytes`, responseBytes) }),
    ...(events === undefined ? {} : { event: readRate(`${at}, events`, events) }),
    ...(seconds === undefined ? {} : { second: readRate(`${at}, seconds`, seconds) }),
    ...(header === undefined ? {} : { header: readHeader(at, header) }),
    ...(json === undefined ? {} : { json: readJson(at, json) }),
    ...(usage === undefined ? {} : { usage: readUsage(at, usage) }),
  }
  const rates = Object.values(parts).flatMap((part) =>
    'msat' in part ? [part] : 'rate' in part ? [part.rate] : [part.input, part.output, part.cachedInput],
  )
  const byHandler = offer.byHandler === true
  if (byHandler && rates.length > 0)
    throw invalid(at, 'no other part than fixed beside byHandler: what the handler says is all of it')
  if (!byHandler && fixedMsat === 0n && !rates.some((rate) => rate !== undefined && rate.msat > 0n))
    throw invalid(
      at,
      'at least one part above 0: fixed, requestBytes, responseBytes, events, seconds, header, json, usage',
    )
  if (estimate === undefined && (rates.length > 0 || byHandler))
    throw invalid(
      at,
      'an estimate, e.g. 5 sat: it is reserved before, and charged where nothing can be measured',
    )
  const estimateMsat = estimate === undefined ? fixedMsat : readAmount(`${at}, estimate`, estimate)
  if (estimateMsat === 0n) throw invalid(at, 'an estimate above 0')
  return { fixedMsat, ...parts, ...(byHandler ? { byHandler } : {}), estimateMsat, whenEmpty }
}

// RFC 9110 §5.1.
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/

function readHeader(
  at: string,
  { name, rate }: NonNullable<ChargeOffer['header']>,
): NonNullable<Charge['header']> {
  if (!FIELD_NAME.test(name))
    throw invalid(at, `header.name to be the name of a header line, e.g. X-Cost, got ${quote(name)}`)
  return { name: name.toLowerCase(), rate: readRate(`${at}, header.rate`, rate) }
}

const MAX_FIELD_LENGTH = 1024

function readJson(
  at: string,
  { field, rate }: NonNullable<ChargeOffer['json']>,
): NonNullable<Charge['json']> {
  const path = field.length <= MAX_FIELD_LENGTH ? field.split('.') : []
  if (path.length === 0 || path.includes(''))
    throw invalid(
      at,
      `json.field to be keys with dots between them, e.g. usage.total_tokens, got ${quote(field)}`,
    )
  return { path, rate: readRate(`${at}, json.rate`, rate) }
}

function readUsage(at: string, usage: NonNullable<ChargeOffer['usage']>): UsageRates {
  const { shape, input, output, cachedInput } = usage
  if (shape !== 'openai' && shape !== 'anthropic')
    throw invalid(at, `usage.shape to be openai or anthropic, got ${quote(String(shape))}`)
  if (input === undefined || output === undefined)
    throw invalid(at, 'usage to have rates for input and output; one that is free says 0 msat')
  return {
    shape,
    input: readRate(`${at}, usage.input`, input),
    output: readRate(`${at}, usage.output`, output),
    ...(cachedInput === undefined ? {} : { cachedInput: readRate(`${at}, usage.cachedInput`, cachedInput) }),
  }
}

const UNITS = /^[1-9][0-9]{0,15}$/

function readRate(at: string, offer: RateOffer): UnitRate {
  const slash = typeof offer === 'string' ? offer.indexOf('/') : -1
  if (typeof offer !== 'string' || slash < 0) return { msat: readAmount(at, offer), per: 1n }
  const units = offer.slice(slash + 1).trimStart()
  if (!UNITS.test(units))
    throw invalid(at, `a whole number of units above 0 behind "/", as in 1 sat/1000, got ${quote(offer)}`)
  return { msat: readAmount(at, offer.slice(0, slash).trimEnd()), per: BigInt(units) }
}

function readAmount(at: string, offer: string | bigint): bigint {
  const msat = typeof offer === 'bigint' ? offer : parseAmount(offer)
  if (msat < 0n || msat > MAX_AMOUNT_MSAT) throw invalid(at, '0 msat to 21 million bitcoin')
  return msat
}

function invalid(at: string, expected: string): RangeError {
  return new RangeError(`invalid charge of ${at}: expected ${expected}`)
}
