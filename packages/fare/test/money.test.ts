import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newBuyer } from './support/fare.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { charging, startSeller } from './support/seller.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.stop())

describe('limits', () => {
  it('of one run count the price and its fee reserve, and only lower the policy', async () => {
    const buyer = newBuyer(gateway.admin)
    const url = `${gateway.url}/once/x`
    for (const max of ['0', '0sat', '10sat', '10999msat'])
      expect(await buyer.report('--max', max, url)).toMatchObject({ exitCode: 3, paid: false })
    expect(await buyer.report('--max', '11sat', url)).toMatchObject({ exitCode: 0, spentMsat: '10000' })
    await buyer.fare('budget', 'set', '--request', '10sat')
    expect(await buyer.report('--max', '1btc', url)).toMatchObject({
      exitCode: 3,
      error: { reason: 'over_budget' },
    })
  })

  it('leave what is in the purse usable', async () => {
    const buyer = newBuyer(gateway.admin)
    await buyer.fare(`${gateway.url}/forecast/x`)
    expect(await buyer.report('--no-pay', `${gateway.url}/forecast/y`)).toMatchObject({
      exitCode: 0,
      reused: true,
    })
    expect(await buyer.report('--max', '0', `${gateway.url}/forecast/z`)).toMatchObject({ exitCode: 0 })
  })

  it.each([
    ['--request', '10999msat', 'request', 0],
    ['--hour', '21sat', 'hour', 2],
    ['--day', '31sat', 'day', 3],
    ['--total', '11sat', 'total', 1],
    ['--count', '2/1d', 'count', 2],
  ])('%s %s is exact', async (flag, amount, limit, purchases) => {
    const buyer = newBuyer(gateway.admin)
    expect((await buyer.fare('budget', 'set', flag, amount)).code).toBe(0)
    for (let i = 0; i < purchases; i++)
      expect(await buyer.report(`${gateway.url}/once/x`)).toMatchObject({ exitCode: 0, spentMsat: '10000' })
    expect(await buyer.report(`${gateway.url}/once/x`)).toMatchObject({
      exitCode: 3,
      error: { reason: 'over_budget' },
      overBudget: { limit },
    })
    expect(await buyer.spentMsat()).toBe(10_000n * BigInt(purchases))
  })

  it('of a host hold for that host', async () => {
    const buyer = newBuyer(gateway.admin)
    await buyer.fare('budget', 'set', '--host', 'LOCALHOST', '--total', '5sat')
    const other = gateway.url.replace('127.0.0.1', 'localhost')
    expect(await buyer.report(`${other}/once/x`)).toMatchObject({
      exitCode: 3,
      overBudget: { limit: 'host total' },
    })
    expect(await buyer.report(`${gateway.url}/once/x`)).toMatchObject({ exitCode: 0 })
  })

  it('are shown and set, for people and for programs, also at once', async () => {
    const buyer = newBuyer(gateway.admin)
    const show = await buyer.run(['budget', 'show'])
    expect(show).toMatchObject({ code: 0, err: '' })
    expect(show.out).toMatch(/per request\s+1000 sat/)
    await Promise.all([
      buyer.run(['budget', 'set', '--day', '5ksat']),
      buyer.run(['budget', 'set', '--hour', '1ksat']),
      buyer.run(['budget', 'set', '--host', 'api.example.com', '--count', '20/1d']),
      buyer.run(['budget', 'set', '--request', 'none']),
    ])
    const { limits, spent } = JSON.parse((await buyer.run(['budget', 'show', '--json'])).out)
    expect(limits).toEqual({
      overall: { hourMsat: '1000000', dayMsat: '5000000' },
      breakers: { priceJump: 5, unserved: { max: 5, seconds: 86400 } },
      hosts: { 'api.example.com': { count: { max: 20, seconds: 86400 } } },
    })
    expect(spent).toEqual({ hourMsat: '0', dayMsat: '0', totalMsat: '0', count: 0 })
  })

  it('are those of all processes together', async () => {
    const buyer = newBuyer(gateway.admin)
    await buyer.fare('budget', 'set', '--day', '31sat')
    const before = await gateway.balanceMsat()
    const runs = await Promise.all(
      Array.from({ length: 6 }, (_, i) => buyer.fare(`${gateway.url}/once/${i}`)),
    )
    const codes = runs.map(({ code }) => code)
    const bought = codes.filter((code) => code === 0).length
    expect(codes.filter((code) => code === 3)).toHaveLength(6 - bought)
    expect(before - (await gateway.balanceMsat())).toBe(10_000n * BigInt(bought))
    expect(await buyer.spentMsat()).toBe(10_000n * BigInt(bought))
    // Fee reserves are held meanwhile, so it may be two; it is never four.
    expect([2, 3]).toContain(bought)
  })
})

describe('a quote', () => {
  it('says the price and pays nothing; exactly that invoice is paid then', async () => {
    const buyer = newBuyer(gateway.admin)
    const before = await gateway.balanceMsat()
    const url = `${gateway.url}/many/x?y=z`
    const human = await buyer.fare('quote', '-d', 'x', url)
    expect(human).toMatchObject({ code: 0, err: '' })
    for (const said of ['25 sat', 'regtest', 'weather_max_calls=3', 'would pay', 'yes', '--quote'])
      expect(human.out).toContain(said)
    const quote = JSON.parse((await buyer.fare('quote', '--json', '-d', 'x', url)).out)
    expect(quote).toMatchObject({
      ok: true,
      charged: true,
      amountMsat: '25000',
      wouldPay: true,
      refusal: null,
    })
    expect(await gateway.balanceMsat()).toBe(before)
    // Another request is refused, and nothing sent for it.
    for (const args of [
      ['-d', 'y', url],
      ['-d', 'x', `${gateway.url}/many/q`],
      ['-X', 'PUT', '-d', 'x', url],
      [url],
    ])
      expect(await buyer.report('--quote', quote.id, ...args)).toMatchObject({
        exitCode: 3,
        error: { reason: 'quote_mismatch' },
      })
    expect(await buyer.fare('--quote', 'beef', url)).toMatchObject({ code: 3, out: '' })
    expect(await buyer.fare('--quote', 'beef')).toMatchObject({ code: 3, out: '' })
    expect(await buyer.report('--quote', quote.id, '--max', '1sat', '-d', 'x', url)).toMatchObject({
      exitCode: 3,
    })
    // Its URL and method need not be typed again.
    const paid = await buyer.report('--quote', quote.id, '-d', 'x')
    expect(paid).toMatchObject({ exitCode: 0, purchases: [{ paymentHash: quote.paymentHash }] })
    expect(before - (await gateway.balanceMsat())).toBe(25_000n)
    expect(await buyer.report('--quote', quote.id, '-d', 'x')).toMatchObject({ exitCode: 8, paid: false })
  })

  it('says whether policy would pay', async () => {
    const buyer = newBuyer(gateway.admin)
    const ask = async (...args: string[]) =>
      JSON.parse((await buyer.fare('quote', '--json', ...args, `${gateway.url}/once/x`)).out)
    expect(await ask('--max', '10sat')).toMatchObject({ wouldPay: false, refusal: { reason: 'over_max' } })
    expect(await ask('--no-pay')).toMatchObject({ wouldPay: false, refusal: { reason: 'no_pay' } })
    await buyer.fare('budget', 'set', '--day', '1sat')
    expect(await ask()).toMatchObject({ wouldPay: false, refusal: { reason: 'over_budget' } })
    const free = await buyer.fare('quote', '--json', `${gateway.url}/health`)
    expect(JSON.parse(free.out)).toEqual({
      ok: true,
      exitCode: 0,
      charged: false,
      url: `${gateway.url}/health`,
      status: 200,
    })
  })
})

describe('a bundle', () => {
  it('is used up, and then bought again within the budget by itself', async () => {
    const buyer = newBuyer(gateway.admin)
    const paid: boolean[] = []
    for (let i = 0; i < 7; i++) paid.push((await buyer.report('-d', `${i}`, `${gateway.url}/many/x`)).paid)
    expect(paid).toEqual([true, false, false, true, false, false, true])
    expect(await buyer.spentMsat()).toBe(75_000n)
  })

  it('keeps the call that an upstream broke off, and it is presented again', async () => {
    let broken = true
    const upstream = await startSeller((_, response) => {
      if (!broken) return response.end('whole')
      response.writeHead(200, { 'content-length': '1000000' })
      response.write(Buffer.alloc(500_000), () => response.destroy())
    })
    const own = await startGateway(upstream.url)
    try {
      const buyer = newBuyer(own.admin)
      expect(await buyer.fare(`${own.url}/once/x`)).toMatchObject({ code: 6 })
      broken = false
      expect(await buyer.report(`${own.url}/once/x`)).toMatchObject({
        exitCode: 0,
        paid: false,
        body: 'whole',
      })
      expect(await buyer.spentMsat()).toBe(10_000n)
    } finally {
      await own.stop()
    }
  })
})

describe('what programs read', () => {
  it('has the same fields in every outcome', async () => {
    const seller = await startSeller(charging(gateway, (_, response) => response.writeHead(500).end()))
    const buyer = newBuyer(gateway.admin)
    const reports = [
      await buyer.report(`${gateway.url}/forecast/x`),
      await buyer.report(`${gateway.url}/health`),
      await buyer.report('--no-pay', `${gateway.url}/once/x`),
      await buyer.report(seller.url),
      await buyer.report('--fail', `${gateway.url}/nothing`),
    ]
    const fields = reports.map((report) => Object.keys(report).sort().join(' '))
    expect(new Set(fields)).toEqual(
      new Set([
        'body bodyBytes bodyEncoding credentialId durationMs error exitCode headers offer ok outcome outputFile ' +
          'overBudget paid paymentHash purchases resumedFrom reused spentMsat status url',
      ]),
    )
    expect(reports.map(({ outcome }) => outcome)).toEqual([
      'served',
      'served',
      'refused',
      'not_served',
      'http_error',
    ])
  })

  it('is one JSON object a line with --events, the end included, whatever happens', async () => {
    const buyer = newBuyer(gateway.admin)
    const events = async (...args: string[]) => {
      const { err } = await buyer.fare('--events', ...args)
      return err
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as { type: string; exitCode?: number })
    }
    const types = (await events(`${gateway.url}/once/x`)).map(({ type }) => type)
    expect(types).toEqual([
      ...['request', 'response', 'challenge', 'waiting', 'reserved', 'paying', 'paid'],
      ...['request', 'response', 'served', 'end'],
    ])
    expect(await events('http://127.0.0.1:1/')).toMatchObject([
      { type: 'request' },
      { type: 'end', exitCode: 1, outcome: 'failed' },
    ])
    expect(await events('--max', '5', gateway.url)).toMatchObject([{ type: 'end', exitCode: 2 }])
    expect((await events('--no-pay', `${gateway.url}/once/x`)).at(-1)).toMatchObject({
      type: 'end',
      exitCode: 3,
    })
    expect((await buyer.fare('quote', '--events', `${gateway.url}/once/x`)).err.split('\n')).toHaveLength(4)
  })
})
