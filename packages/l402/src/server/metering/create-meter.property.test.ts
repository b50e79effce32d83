import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MAX_AMOUNT_MSAT } from '../../core/amount.ts'
import { encodeUtf8 } from '../../core/bytes.ts'
import * as answers from './answers.test-suite.ts'
import { type ChargeOffer, readCharge } from './charge-offer.ts'
import { createMeter } from './create-meter.ts'

const body = fc.oneof(
  fc.constantFrom(...Object.values(answers)).map(encodeUtf8),
  fc.uint8Array({ maxLength: 200 }),
  fc.json().map(encodeUtf8),
  // What looks like usage and is none.
  fc
    .tuple(fc.constantFrom('prompt_tokens', 'input_tokens', 'output_tokens'), fc.jsonValue(), fc.boolean())
    .map(([name, value, event]) => {
      const text = JSON.stringify({ usage: { [name]: value, input_tokens: value }, n: value })
      return encodeUtf8(event ? `data: ${text}\r\n\r\n` : text)
    }),
)
const headers = fc
  .array(
    fc.oneof(
      fc.tuple(
        fc.constant('Content-Type'),
        fc.constantFrom('text/event-stream', 'application/json', '', ';'),
      ),
      fc.tuple(fc.constant('Content-Encoding'), fc.constantFrom('gzip', 'identity', ',,', 'br, gzip')),
      fc.tuple(
        fc.constant('X-Cost'),
        fc.oneof(fc.string(), fc.double().map(String), fc.bigInt().map(String)),
      ),
      fc.tuple(fc.string(), fc.string()),
    ),
    { maxLength: 4 },
  )
  .map((lines) => lines.flat())
const rate = fc
  .tuple(fc.bigInt(0n, 10n ** 6n), fc.constantFrom('1', '3', '1000'))
  .map(([msat, per]) => `${msat} msat/${per}`)
const offer: fc.Arbitrary<ChargeOffer> = fc.record(
  {
    fixed: fc.bigInt(1n, 10n ** 6n),
    requestBytes: rate,
    responseBytes: rate,
    seconds: rate,
    header: fc.record({ name: fc.constant('x-cost'), rate }),
    json: fc.record({ field: fc.constantFrom('n', 'usage.total_tokens', '0'), rate }),
    usage: fc.record({ shape: fc.constantFrom('openai', 'anthropic'), input: rate, output: rate }),
    estimate: fc.bigInt(1n, 10n ** 7n),
  },
  { requiredKeys: ['fixed', 'estimate'] },
)

interface Case {
  readonly offer: ChargeOffer
  readonly status: number
  readonly method: string
  readonly headers: readonly string[]
  readonly body: Uint8Array
  readonly complete: boolean
}

const answer: fc.Arbitrary<Case> = fc.record({
  offer,
  status: fc.constantFrom(200, 200, 200, 204, 302, 400, 503),
  method: fc.constantFrom('GET', 'GET', 'POST', 'HEAD'),
  headers,
  body,
  complete: fc.boolean(),
})

/** All values of `soFarMsat` on the way, and the end. */
function run({ offer, status, method, headers, body, complete }: Case, cuts: readonly number[]) {
  let nowMs = 0
  const meter = createMeter(readCharge('a test', offer), {
    now: () => nowMs,
    method,
    decode: (encoding, bytes) => {
      if (encoding === 'gzip') return bytes
      throw new Error('no such coding')
    },
  })
  const soFar = [meter.soFarMsat]
  meter.request(17)
  soFar.push(meter.soFarMsat)
  meter.head(status, headers)
  soFar.push(meter.soFarMsat)
  let at = 0
  for (const cut of [...cuts, body.length]) {
    // The time of a byte, however it comes.
    nowMs = Math.min(at + cut, body.length) * 7
    meter.body(body.slice(at, at + cut))
    soFar.push(meter.soFarMsat)
    at += cut
  }
  return { soFar, end: meter.end(complete) }
}

const cuts = fc.array(fc.nat({ max: 40 }), { maxLength: 60 })

describe('the cost of any answer', () => {
  it('is the same however its body is cut', () => {
    fc.assert(
      fc.property(answer, cuts, (each, pieces) => {
        expect(run(each, pieces).end).toBe(run(each, []).end)
        expect(
          run(
            each,
            Array.from(each.body, () => 1),
          ).end,
        ).toBe(run(each, []).end)
      }),
    )
  })

  it('is an amount that can be paid, and never less than what was certain on the way', () => {
    const tally = { estimate: 0, less: 0, more: 0 }
    fc.assert(
      fc.property(answer, cuts, (each, pieces) => {
        const { soFar, end } = run(each, pieces)
        for (let i = 1; i < soFar.length; i++) expect(soFar[i]).toBeGreaterThanOrEqual(soFar[i - 1] as bigint)
        expect(end).toBeGreaterThanOrEqual(soFar.at(-1) as bigint)
        expect(end).toBeLessThanOrEqual(MAX_AMOUNT_MSAT)
        const estimate = each.offer.estimate as bigint
        tally[end === estimate ? 'estimate' : end < estimate ? 'less' : 'more']++
      }),
      { numRuns: 1000 },
    )
    // The generators must reach every way this can end, or the property says little.
    for (const [what, times] of Object.entries(tally)) expect(times, what).toBeGreaterThan(10)
  })

  it('is the sum of what each of its parts costs alone', () => {
    fc.assert(
      fc.property(answer, (each) => {
        const whole = { ...each, status: 200, method: 'GET', complete: true, headers: ['X-Cost', '2.5'] }
        const { fixed, header, requestBytes, responseBytes, seconds } = each.offer
        const parts = [{ header }, { requestBytes }, { responseBytes }, { seconds }].filter((part) =>
          Object.values(part).some((value) => value !== undefined),
        ) as ChargeOffer[]
        const alone = (part: ChargeOffer) =>
          run({ ...whole, offer: { fixed: 1n, estimate: 1n, ...part } }, []).end - 1n
        const together = Object.assign({ fixed, estimate: 1n }, ...parts) as ChargeOffer
        expect(run({ ...whole, offer: together }, []).end).toBe(
          parts.reduce((sum, part) => sum + alone(part), fixed as bigint),
        )
      }),
    )
  })
})
