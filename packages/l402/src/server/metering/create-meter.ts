import { MAX_AMOUNT_MSAT } from '../../core/amount.ts'
import type { Charge } from './charge.ts'
import type { Meter } from './meter.ts'
import { bytesPart } from './parts/bytes.ts'
import { eventsPart } from './parts/events.ts'
import { fixedPart } from './parts/fixed.ts'
import { headerPart } from './parts/header.ts'
import { jsonPart } from './parts/json.ts'
import type { Part } from './parts/part.ts'
import { secondsPart } from './parts/seconds.ts'
import { usagePart } from './parts/usage.ts'
import { type BodyReader, type Decode, readBody } from './read-body.ts'

/** What a meter needs besides the charge. */
export interface MeterOptions {
  /** Milliseconds of a clock, best of one that is never set, such as `performance.now`. */
  readonly now: () => number
  /** The request's method: an answer to `HEAD` has no body that could say anything. */
  readonly method?: string
  /**
   * Undoes the content coding of a whole body of at most 1 MiB; `undefined` where it cannot. It must bound what it makes of few
   * bytes. Without it a coded body cannot be measured by `json` and `usage`.
   */
  readonly decode?: Decode
}

/**
 * Measures one answer by one charge. Takes whatever the resource says and never throws for it: what is no plain amount of
 * units cannot be measured, and then the estimate is charged, or more where the other parts come to more.
 */
export function createMeter(charge: Charge, options: MeterOptions): Meter {
  const parts = partsOf(charge, options.now)
  const ofBody = parts.filter((part) => part.value !== undefined)
  const certain = parts.filter((part) => part.value === undefined)
  let status = 0
  let bodiless = false
  let flowed = false
  let reader: BodyReader | undefined
  let costMsat: bigint | undefined

  /** The sum of the parts that are known, and whether these are all. */
  function sum(among: readonly Part[]): { readonly msat: bigint; readonly all: boolean } {
    let msat = 0n
    let all = true
    for (const part of among) {
      const cost = part.cost()
      if (typeof cost === 'bigint') msat += cost
      // What a refusal does not name, and what has no place to stand, is none.
      else if (cost === 'wrong' || !(isClientError(status) || (bodiless && part.value !== undefined)))
        all = false
    }
    return { msat: msat < MAX_AMOUNT_MSAT ? msat : MAX_AMOUNT_MSAT, all }
  }

  return {
    request(bytes) {
      for (const part of parts) part.request?.(bytes)
    },
    head(code, headers) {
      // Interim answers (RFC 9110 §15.2) are not the answer.
      if (code < 200 || status !== 0) return
      status = code
      bodiless = options.method === 'HEAD' || code === 204 || code === 304
      for (const part of parts) part.head?.(headers)
      if (!bodiless && ofBody.length > 0)
        reader = readBody(headers, {
          onValue: (value) => {
            for (const part of ofBody) part.value?.(value)
          },
          decode: options.decode,
        })
    },
    body(chunk, ofAnswer = chunk.length) {
      if (chunk.length === 0) return
      flowed = true
      for (const part of parts) {
        part.body?.(ofAnswer)
        part.chunk?.(chunk)
      }
      reader?.push(chunk)
    },
    elapse() {
      for (const part of parts) part.body?.(0)
    },
    get soFarMsat() {
      return sum(certain).msat
    },
    end(complete) {
      if (costMsat !== undefined) return costMsat
      reader?.end()
      reader = undefined
      const { msat, all } = sum(parts)
      const cut = !complete && (!(flowed || bodiless) || parts.some((part) => part.unfinished?.() === true))
      const known = all && !cut
      costMsat = known || msat > charge.estimateMsat ? msat : charge.estimateMsat
      return costMsat
    },
  }
}

function partsOf(charge: Charge, now: () => number): readonly Part[] {
  const { fixedMsat, requestByte, responseByte, event, second, header, json, usage } = charge
  return [
    fixedPart(fixedMsat),
    ...(requestByte === undefined ? [] : [bytesPart(requestByte, 'request')]),
    ...(responseByte === undefined ? [] : [bytesPart(responseByte, 'answer')]),
    ...(event === undefined ? [] : [eventsPart(event)]),
    ...(second === undefined ? [] : [secondsPart(second, now)]),
    ...(header === undefined ? [] : [headerPart(header)]),
    ...(json === undefined ? [] : [jsonPart(json)]),
    ...(usage === undefined ? [] : [usagePart(usage)]),
  ]
}

function isClientError(status: number): boolean {
  return status >= 400 && status < 500
}
