import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { MAX_AMOUNT_MSAT } from '../../core/amount.ts'
import { encodeUtf8 } from '../../core/bytes.ts'
import {
  ANTHROPIC_STREAM,
  ANTHROPIC_STREAM_BROKEN_OFF,
  OPENAI_CHAT,
  OPENAI_CHAT_STREAM,
} from './answers.test-suite.ts'
import { type ChargeOffer, readCharge } from './charge-offer.ts'
import { createMeter, type MeterOptions } from './create-meter.ts'

const meterOf = (offer: ChargeOffer, options: Partial<MeterOptions> = {}) =>
  createMeter(readCharge('a test', offer), { now: () => 0, ...options })

interface Answer {
  readonly status?: number
  readonly headers?: readonly string[]
  readonly body?: string | Uint8Array
  readonly complete?: boolean
}

/** The cost of one answer in one piece. */
function costOf(offer: ChargeOffer, answer: Answer, options: Partial<MeterOptions> = {}): bigint {
  const { status = 200, headers = [], body = '', complete = true } = answer
  const meter = meterOf(offer, options)
  meter.head(status, headers)
  meter.body(typeof body === 'string' ? encodeUtf8(body) : body)
  return meter.end(complete)
}

const JSON_TYPE = ['Content-Type', 'application/json; charset=utf-8']
const EVENTS = ['content-type', 'Text/Event-Stream;charset=utf-8']

describe('a meter', () => {
  it('adds up what each part comes to, each rounded up', () => {
    let nowMs = 1000
    const meter = meterOf(
      {
        fixed: '100 msat',
        requestBytes: '1 msat/1000',
        responseBytes: '1 msat/10',
        seconds: '5 msat',
        header: { name: 'X-Cost', rate: '10 msat' },
        json: { field: 'n', rate: '2 msat/1000' },
        usage: { shape: 'openai', input: '1 msat', output: '1 msat' },
        estimate: '5 sat',
      },
      { now: () => nowMs },
    )
    expect(meter.soFarMsat).toBe(100n)
    meter.request(1)
    expect(meter.soFarMsat).toBe(101n)
    meter.head(200, [...JSON_TYPE, 'X-Cost', '3'])
    expect(meter.soFarMsat).toBe(131n)
    nowMs += 1500
    const body = '{"n":1001,"usage":{"prompt_tokens":3,"completion_tokens":4}}'
    meter.body(encodeUtf8(body))
    const soFar = 131n + BigInt(Math.ceil(body.length / 10)) + 8n
    expect(meter.soFarMsat).toBe(soFar)
    nowMs += 9000
    expect(meter.end(true)).toBe(soFar + 3n + 7n)
  })

  it('says the same when asked for the end again', () => {
    const meter = meterOf({ fixed: '1 sat', responseBytes: '1 msat', estimate: '5 sat' })
    meter.head(200, [])
    meter.body(new Uint8Array(10))
    expect(meter.end(true)).toBe(1010n)
    expect(meter.end(false)).toBe(1010n)
    meter.body(new Uint8Array(10))
    expect(meter.end(true)).toBe(1010n)
  })

  it('charges the fixed part and no more where that is all there is', () => {
    expect(costOf({ fixed: '1 sat' }, { body: 'text' })).toBe(1000n)
    expect(costOf({ fixed: '1 sat' }, { complete: false })).toBe(1000n)
  })

  it('counts seconds from the head to the last byte, whatever the clock does then', () => {
    let nowMs = 5000
    const meter = meterOf({ seconds: '1 sat', estimate: '9 sat' }, { now: () => nowMs })
    nowMs = 7000
    meter.head(200, [])
    nowMs = 7250.5
    meter.body(new Uint8Array(1))
    expect(meter.soFarMsat).toBe(251n)
    nowMs = 6000
    meter.body(new Uint8Array(1))
    expect(meter.soFarMsat).toBe(251n)
    nowMs = 60_000
    meter.body(new Uint8Array(0))
    expect(meter.end(true)).toBe(251n)
  })

  it('takes no interim answer for the answer', () => {
    const meter = meterOf({ header: { name: 'x-cost', rate: '1 msat' }, estimate: '9 sat' })
    meter.head(103, ['Link', '</a>'])
    meter.head(200, ['X-Cost', '7'])
    expect(meter.end(true)).toBe(7n)
  })

  it('never charges more than there is', () => {
    const meter = meterOf({ fixed: MAX_AMOUNT_MSAT, requestBytes: MAX_AMOUNT_MSAT, estimate: '1 sat' })
    meter.request(2 ** 50)
    meter.head(200, [])
    expect(meter.soFarMsat).toBe(MAX_AMOUNT_MSAT)
    expect(meter.end(true)).toBe(MAX_AMOUNT_MSAT)
  })
})

const METERED: ChargeOffer = {
  usage: { shape: 'openai', input: '1 msat', output: '1 msat' },
  responseBytes: '1 msat',
  estimate: '5 sat',
}

describe('what cannot be measured', () => {
  it('costs the estimate at the end, or what the other parts come to', () => {
    const offer: ChargeOffer = {
      fixed: '1 sat',
      header: { name: 'x-cost', rate: '10 msat' },
      responseBytes: '1 msat',
      estimate: '5 sat',
    }
    expect(costOf(offer, { headers: ['X-Cost', '2'] })).toBe(1020n)
    for (const headers of [[], ['X-Cost', '-1'], ['X-Cost', 'NaN'], ['X-Cost', '1', 'X-Cost', '2']]) {
      expect(costOf(offer, { headers, body: 'text' })).toBe(5000n)
      expect(costOf(offer, { headers, body: new Uint8Array(9000) })).toBe(10_000n)
    }
  })

  it('is a body that is no JSON, or broken off, or of more than a mebibyte', () => {
    const padding = ' '.repeat(2 ** 20 - 40)
    const usage = '{"usage":{"prompt_tokens":1}}'
    const free: ChargeOffer = {
      usage: { shape: 'openai', input: '1 msat', output: '1 msat' },
      estimate: '5 sat',
    }
    expect(costOf(free, { headers: JSON_TYPE, body: usage })).toBe(1n)
    expect(costOf(free, { body: `\ufeff${usage}` })).toBe(1n)
    expect(costOf(free, { headers: JSON_TYPE, body: padding + usage })).toBe(1n)
    expect(costOf(free, { headers: JSON_TYPE, body: padding + padding + usage })).toBe(5000n)
    expect(costOf(free, { headers: JSON_TYPE, body: usage.slice(0, -1) })).toBe(5000n)
    expect(costOf(free, { headers: JSON_TYPE, body: '' })).toBe(5000n)
    expect(costOf(free, { headers: ['Content-Type', 'text/html'], body: '<p>' })).toBe(5000n)
    expect(costOf(free, { headers: JSON_TYPE, body: '['.repeat(2 ** 19) })).toBe(5000n)
  })

  it('is the usage of a stream that does not say it', () => {
    expect(
      costOf(
        { ...METERED, responseBytes: 0n },
        { headers: EVENTS, body: 'data: {"usage":null}\n\ndata: [DONE]\n\n' },
      ),
    ).toBe(5000n)
  })
})

describe('an answer that did not end whole', () => {
  it('costs what was measured, where bytes of it flowed', () => {
    const offer: ChargeOffer = { fixed: '1 sat', responseBytes: '1 msat', estimate: '5 sat' }
    expect(costOf(offer, { body: 'text', complete: false })).toBe(1004n)
    expect(costOf(offer, { complete: false })).toBe(5000n)
    expect(meterOf(offer).end(false)).toBe(5000n)
  })

  it('costs the estimate, or what is certain by then, where a part of it could not be measured', () => {
    const body = OPENAI_CHAT.slice(0, -1)
    expect(costOf(METERED, { headers: JSON_TYPE, body, complete: false })).toBe(5000n)
    expect(costOf(METERED, { headers: JSON_TYPE, body: body.repeat(10), complete: false })).toBe(
      BigInt(encodeUtf8(body).length * 10),
    )
  })

  it('costs the usage that its stream had said by then', () => {
    const offer: ChargeOffer = {
      usage: { shape: 'anthropic', input: '1 msat', output: '1 sat', cachedInput: '0 msat' },
      estimate: '5000 sat',
    }
    expect(costOf(offer, { headers: EVENTS, body: ANTHROPIC_STREAM })).toBe(89_472n)
    expect(costOf(offer, { headers: EVENTS, body: ANTHROPIC_STREAM_BROKEN_OFF, complete: false })).toBe(2472n)
    expect(costOf(offer, { headers: EVENTS, body: ANTHROPIC_STREAM.slice(0, 40), complete: false })).toBe(
      5_000_000n,
    )
  })
})

describe('an answer without usage', () => {
  const offer: ChargeOffer = {
    fixed: '1 sat',
    header: { name: 'x-cost', rate: '1 msat' },
    json: { field: 'n', rate: '1 msat' },
    usage: { shape: 'openai', input: '1 msat', output: '1 msat' },
    responseBytes: '1 msat',
    estimate: '5 sat',
  }

  it('costs the other parts where it refuses the request', () => {
    for (const status of [400, 404, 429, 499]) {
      expect(costOf(offer, { status, headers: JSON_TYPE, body: '{"error":{"message":"no"}}' })).toBe(1026n)
      expect(costOf(offer, { status, body: '<p>no' })).toBe(1005n)
      expect(costOf(offer, { status })).toBe(1000n)
    }
    for (const status of [200, 302, 500]) expect(costOf(offer, { status, body: '{}' })).toBe(5000n)
  })

  it('costs the estimate where it refuses and says nonsense', () => {
    expect(costOf(offer, { status: 400, body: '{"n":"many"}' })).toBe(5000n)
    expect(costOf(offer, { status: 400, headers: ['X-Cost', 'much'] })).toBe(5000n)
  })

  it('costs what its head says where it has no body', () => {
    for (const complete of [true, false]) {
      const headers = ['X-Cost', '7', ...JSON_TYPE]
      expect(costOf(offer, { headers, complete }, { method: 'HEAD' })).toBe(1007n)
      expect(costOf(offer, { status: 204, headers, complete })).toBe(1007n)
      expect(costOf(offer, { status: 304, headers, complete })).toBe(1007n)
      expect(costOf(offer, { status: 204, complete })).toBe(5000n)
    }
  })
})

describe('a coded body', () => {
  const offer: ChargeOffer = {
    usage: { shape: 'openai', input: '1 msat', output: '1 msat' },
    responseBytes: '1 msat',
    estimate: '1 sat',
  }
  const decode: MeterOptions['decode'] = (encoding, bytes) =>
    encoding === 'gzip' ? gunzipSync(bytes) : encoding === 'br' ? brotliDecompressSync(bytes) : undefined

  it.each([
    ['gzip', gzipSync],
    ['BR', brotliCompressSync],
  ])('of %s is measured by what it says, and counted as it was transferred', (name, compress) => {
    for (const [type, text, tokens] of [
      [JSON_TYPE, OPENAI_CHAT, 2306],
      [EVENTS, OPENAI_CHAT_STREAM, 29],
    ] as const) {
      const body = new Uint8Array(compress(text))
      const headers = [...type, 'Content-Encoding', name]
      expect(costOf(offer, { headers, body }, { decode })).toBe(BigInt(body.length + tokens))
    }
  })

  it('cannot be measured where it is not what it is called, or nobody can undo it', () => {
    const body = new Uint8Array(gzipSync(OPENAI_CHAT))
    const gzip = ['Content-Encoding', 'gzip']
    const estimate = 1000n
    expect(costOf(offer, { headers: gzip, body })).toBe(estimate)
    expect(costOf(offer, { headers: gzip, body: body.subarray(0, 99) }, { decode })).toBe(estimate)
    expect(costOf(offer, { headers: gzip, body: 'text' }, { decode })).toBe(estimate)
    expect(costOf(offer, { headers: ['Content-Encoding', 'zstd'], body }, { decode })).toBe(estimate)
    expect(costOf(offer, { headers: ['Content-Encoding', 'gzip, gzip'], body }, { decode })).toBe(estimate)
    expect(costOf(offer, { headers: [...gzip, ...gzip], body }, { decode })).toBe(estimate)
  })

  it('called identity is none', () => {
    expect(
      costOf(
        { ...offer, responseBytes: 0n },
        { headers: ['Content-Encoding', 'Identity'], body: OPENAI_CHAT },
      ),
    ).toBe(2306n)
  })
})
