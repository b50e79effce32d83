import { describe, expect, it } from 'vitest'
import { toCsv } from './csv.ts'
import type { Entry } from './entries.ts'
import { costMsatOf, summarise, type TypedFilters, typedFilters } from './filters.ts'

const HOUR = 3_600_000

function record(fields: Partial<Omit<Entry, 'task'>> & { readonly task?: string } = {}): Entry {
  const one = {
    paymentHash: new Uint8Array(32),
    origin: 'https://api.example.com',
    host: 'api.example.com',
    method: 'GET',
    url: 'https://api.example.com/x',
    bodyDigest: null,
    scope: 'https://api.example.com GET /x',
    macaroon: '',
    invoice: '',
    amountMsat: 10_000n,
    maxFeeMsat: 1_000n,
    payee: '',
    task: '',
    createdAtMs: Date.now(),
    expiresAt: 0,
    wallet: '',
    state: 'settled',
    served: 'redeemed',
    preimage: null,
    feeMsat: 5n,
    lastStatus: 200,
    detail: '',
    updatedAtMs: 0,
    writtenOff: false,
    ...fields,
  }
  return one as Entry
}

describe('filters of payments', () => {
  const fits = (typed: TypedFilters, fields: Parameters<typeof record>[0]): boolean =>
    typedFilters(typed)?.(record(fields)) ?? true

  it('go by host, state, time, tag and cost, all together', () => {
    expect(typedFilters({})).toBeUndefined()
    expect(fits({ host: 'API.example.com' }, {})).toBe(true)
    expect(fits({ host: 'example.com' }, {})).toBe(false)
    expect(fits({ state: 'open' }, { state: 'unknown' })).toBe(true)
    expect(fits({ state: 'open' }, { state: 'settled' })).toBe(false)
    expect(fits({ state: 'open' }, { state: 'unknown', writtenOff: true })).toBe(false)
    expect(fits({ state: 'written_off' }, { state: 'unknown', writtenOff: true })).toBe(true)
    expect(fits({ state: 'written_off' }, { state: 'unknown' })).toBe(false)
    expect(fits({ state: 'not_served' }, { served: 'not_served' })).toBe(true)
    expect(fits({ state: 'not_served' }, { state: 'failed', served: 'not_served' })).toBe(false)
    const old = { createdAtMs: Date.now() - 3 * HOUR }
    expect(fits({ since: '2h' }, old)).toBe(false)
    expect(fits({ since: '4h' }, old)).toBe(true)
    expect(fits({ until: '2h' }, old)).toBe(true)
    expect(fits({ until: '4h' }, old)).toBe(false)
    const noon = { createdAtMs: Date.UTC(2026, 10, 28, 12) }
    expect(fits({ since: '2026-11-28', until: '2026-11-29' }, noon)).toBe(true)
    expect(fits({ since: '2026-11-28T12:00:01' }, noon)).toBe(false)
    expect(fits({ task: 'maps' }, { task: 'maps' })).toBe(true)
    expect(fits({ task: 'maps' }, {})).toBe(false)
    expect(fits({ min: '10005msat' }, {})).toBe(true)
    expect(fits({ min: '10006msat' }, {})).toBe(false)
    expect(fits({ min: '1sat', host: 'other.example' }, {})).toBe(false)
  })

  it.each([
    [{ host: 'a/b' }, /--host/],
    [{ state: 'constructor' }, /--state: expected one of settled/],
    [{ since: 'yesterday' }, /--since: expected a time/],
    [{ until: '2026-13-41' }, /--until: expected a date/],
    [{ task: '' }, /--task/],
    [{ task: 'x'.repeat(65) }, /--task/],
    [{ min: '5' }, /--min: .*sat/],
  ])('refuse %j by name', (typed, says) => {
    expect(() => typedFilters(typed)).toThrow(says)
  })
})

describe('sums of payments', () => {
  it('count the truth where it is known, the worst where it is not, and nothing for what failed', () => {
    expect(costMsatOf(record())).toBe(10_005n)
    expect(costMsatOf(record({ state: 'unknown' }))).toBe(11_000n)
    expect(costMsatOf(record({ state: 'paid_unproven' }))).toBe(10_005n)
    expect(costMsatOf(record({ state: 'failed' }))).toBe(0n)
  })

  it('say what an answer cost with everything that was lost on the way', () => {
    const lost = record({ served: 'not_served' })
    expect(summarise([record(), record(), lost, record({ state: 'failed', served: 'unserved' })])).toEqual({
      payments: 4,
      spentMsat: 30_015n,
      served: 2,
      msatPerServed: 15_008n,
    })
    expect(summarise([lost]).msatPerServed).toBeNull()
  })
})

it('CSV keeps commas, quotes and lines in their cells, and is no formula for a spreadsheet', () => {
  expect(
    toCsv([
      ['a,b', 'say "x"', 1n],
      ['=1+1', 'two\nlines', null],
      ['＝1+1', '\n=1+1', -1n],
    ]),
  ).toBe('"a,b","say ""x""",1\r\n\'=1+1,"two\nlines",\r\n\'＝1+1,"\'\n=1+1",-1\r\n')
})
