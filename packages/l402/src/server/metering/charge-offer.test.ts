import { describe, expect, it } from 'vitest'
import { isL402Error } from '../../core/errors.ts'
import { type ChargeOffer, readCharge } from './charge-offer.ts'

const read = (offer: ChargeOffer) => readCharge('route "POST /chat" of service "ai"', offer)

describe('the charge of a route', () => {
  it('is read from all its parts', () => {
    expect(
      read({
        fixed: '100 msat',
        requestBytes: '1 msat/1000',
        responseBytes: '1 msat / 2000',
        seconds: '5 msat',
        header: { name: 'X-Cost', rate: '10 msat' },
        json: { field: 'usage.items.0.total', rate: '2 msat/1000' },
        usage: {
          shape: 'openai',
          input: '250 msat/1000',
          output: '1 sat/1000',
          cachedInput: '100 msat/1000',
        },
        estimate: '5 sat',
        whenEmpty: 'cut',
      }),
    ).toEqual({
      fixedMsat: 100n,
      requestByte: { msat: 1n, per: 1000n },
      responseByte: { msat: 1n, per: 2000n },
      second: { msat: 5n, per: 1n },
      header: { name: 'x-cost', rate: { msat: 10n, per: 1n } },
      json: { path: ['usage', 'items', '0', 'total'], rate: { msat: 2n, per: 1000n } },
      usage: {
        shape: 'openai',
        input: { msat: 250n, per: 1000n },
        output: { msat: 1000n, per: 1000n },
        cachedInput: { msat: 100n, per: 1000n },
      },
      estimateMsat: 5000n,
      whenEmpty: 'cut',
    })
  })

  it('takes amounts and rates as millisatoshi, too', () => {
    expect(read({ fixed: 100n, responseBytes: 2n, estimate: 7n })).toEqual({
      fixedMsat: 100n,
      responseByte: { msat: 2n, per: 1n },
      estimateMsat: 7n,
      whenEmpty: 'finish',
    })
  })

  it('needs no estimate where nothing is measured', () => {
    expect(read({ fixed: '1 sat' })).toEqual({ fixedMsat: 1000n, estimateMsat: 1000n, whenEmpty: 'finish' })
    expect(read({ fixed: '1 sat', estimate: '2 sat' }).estimateMsat).toBe(2000n)
  })

  it('may give one side away', () => {
    const { usage } = read({
      usage: { shape: 'anthropic', input: '0 msat', output: '1 sat/1000' },
      estimate: '1 sat',
    })
    expect(usage).toEqual({
      shape: 'anthropic',
      input: { msat: 0n, per: 1n },
      output: { msat: 1000n, per: 1000n },
    })
  })

  it.each<[ChargeOffer, RegExp]>([
    [{}, /at least one part above 0/],
    [{ estimate: '1 sat' }, /at least one part above 0/],
    [{ fixed: '0 msat' }, /at least one part above 0/],
    [{ fixed: 0n, responseBytes: '0 msat/1000', estimate: '1 sat' }, /at least one part above 0/],
    [{ usage: { shape: 'openai', input: 0n, output: 0n }, estimate: 1n }, /at least one part above 0/],
    [{ seconds: '5 msat' }, /an estimate, e\.g\. 5 sat/],
    [{ fixed: '1 sat', requestBytes: 1n }, /an estimate, e\.g\. 5 sat/],
    [{ fixed: '1 sat', estimate: '0 sat' }, /an estimate above 0/],
    [{ fixed: -1n }, /fixed: expected 0 msat to 21 million bitcoin/],
    [{ seconds: -1n, estimate: 1n }, /seconds: expected 0 msat/],
    [{ seconds: 2_100_000_000_000_000_001n, estimate: 1n }, /21 million/],
    [
      { seconds: '1 msat/0', estimate: 1n },
      /seconds: expected a whole number of units above 0 behind "\/".*1 msat\/0/,
    ],
    [{ seconds: '1 msat/1.5', estimate: 1n }, /whole number of units/],
    [{ seconds: '1 msat/', estimate: 1n }, /whole number of units/],
    [{ seconds: '1 msat/1/1', estimate: 1n }, /whole number of units/],
    [{ seconds: '1 msat/-1', estimate: 1n }, /whole number of units/],
    [{ seconds: `1 msat/${'9'.repeat(17)}`, estimate: 1n }, /whole number of units/],
    [{ header: { name: 'X Cost', rate: 1n }, estimate: 1n }, /header\.name to be the name of a header line/],
    [{ header: { name: '', rate: 1n }, estimate: 1n }, /header\.name/],
    [{ json: { field: '', rate: 1n }, estimate: 1n }, /json\.field to be keys with dots/],
    [{ json: { field: 'a..b', rate: 1n }, estimate: 1n }, /json\.field/],
    [{ json: { field: 'a'.repeat(1025), rate: 1n }, estimate: 1n }, /json\.field/],
    [
      { usage: { shape: 'gemini' as 'openai', input: 1n, output: 1n }, estimate: 1n },
      /openai or anthropic, got "gemini"/,
    ],
    [
      { usage: { shape: 'openai', input: 1n } as ChargeOffer['usage'] & object, estimate: 1n },
      /input and output/,
    ],
    [{ fixed: 1n, whenEmpty: 'stop' as 'cut' }, /whenEmpty to be finish or cut, got "stop"/],
  ])('is not %o', (offer, message) => {
    expect(() => read(offer)).toThrow(message)
    expect(() => read(offer)).toThrow(RangeError)
    expect(() => read(offer)).toThrow(/of route "POST \/chat" of service "ai"/)
  })

  it.each(['5', '1.5 msat', '1 sat/1000 ', '-1 sat', '$1', 'x/1000', '/1000'])('has no rate %j', (rate) => {
    const found = (() => {
      try {
        return read({ responseBytes: rate, estimate: 1n })
      } catch (error) {
        return error
      }
    })()
    expect(isL402Error(found, 'malformed') || found instanceof RangeError).toBe(true)
    expect((found as Error).message).toMatch(/expected/)
  })
})
