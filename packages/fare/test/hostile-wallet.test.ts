import { decodeInvoice, encodeHex } from '@turnpike/l402'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newBuyer } from './support/fare.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { startWallet } from './support/wallet.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.stop())

const hashOf = (invoice = ''): string => encodeHex(decodeInvoice(invoice).paymentHash)

describe('a wallet', () => {
  it.each<[string, string]>([
    ['garbage', 'thank you'],
    ['an empty object', '{}'],
    ['another preimage', `{"preimage":"${'08'.repeat(32)}","feeMsat":"0"}`],
    ['a huge answer', `{"x":"${'y'.repeat(1_000_000)}"}`],
  ])(
    'that answers %s leaves it unknown; the truth is looked up and nothing paid twice',
    async (_, answer) => {
      const wallet = await startWallet(gateway.admin)
      wallet.onPay = (response, invoice) => wallet.payForReal(invoice).then(() => response.end(answer))
      const buyer = newBuyer(wallet.url)
      const url = `${gateway.url}/forecast/x`
      const before = await gateway.balanceMsat()
      expect(await buyer.report(url)).toMatchObject({
        exitCode: 5,
        paid: false,
        error: { code: 'payment_unknown' },
      })
      expect(await buyer.spentMsat()).toBe(11_000n)
      expect(await buyer.report(url)).toMatchObject({
        exitCode: 0,
        purchases: [{ resumed: true }],
        spentMsat: '0',
      })
      expect(wallet.asked).toHaveLength(1)
      expect(before - (await gateway.balanceMsat())).toBe(10_000n)
      expect(await buyer.spentMsat()).toBe(10_000n)
    },
  )

  it('that withholds the preimage leaves a payment unproven until it says it (C4)', async () => {
    const wallet = await startWallet(gateway.admin)
    wallet.onPay = (response) => response.end('{"preimage":"","feeMsat":"0"}')
    wallet.onLookup = (response) => response.end('{"status":"paid_unproven","feeMsat":"0"}')
    const buyer = newBuyer(wallet.url)
    const url = `${gateway.url}/forecast/x`
    expect(await buyer.report(url)).toMatchObject({ exitCode: 6, error: { code: 'paid_unproven' } })
    expect(await buyer.fare(url)).toMatchObject({ code: 6, err: expect.stringMatching(/^fare: Paid, but/) })
    expect(await buyer.fare('recover')).toMatchObject({
      code: 0,
      out: expect.stringContaining('paid_unproven'),
    })
    expect(wallet.asked).toHaveLength(1)
    await wallet.payForReal(wallet.asked[0] ?? '')
    wallet.onLookup = () => undefined
    expect(await buyer.fare('recover')).toMatchObject({ code: 0, out: expect.stringContaining('settled') })
    expect(await buyer.report(url)).toMatchObject({ exitCode: 0, paid: false, reused: true })
    expect(wallet.asked).toHaveLength(1)
  })

  it('that never answers is given up in time, as unknown, also under --max-time', async () => {
    const wallet = await startWallet(gateway.admin)
    wallet.onPay = () => true
    const buyer = newBuyer(wallet.url)
    const env = { FARE_PAYMENT_TIMEOUT: '1s' }
    const url = `${gateway.url}/forecast/x`
    const ran = await buyer.run(['--sandbox', '--max-time', '1', url], { env })
    expect(ran).toMatchObject({ code: 5, out: '' })
    expect((await buyer.run(['--sandbox', url], { env: { FARE_PAYMENT_TIMEOUT: 'x' } })).code).toBe(2)
  })

  it('that dies while it pays has its payment finished when it is back', async () => {
    const wallet = await startWallet(gateway.admin)
    wallet.onPay = (response, invoice) =>
      wallet.payForReal(invoice).then(() => response.socket?.resetAndDestroy())
    const buyer = newBuyer(wallet.url)
    const url = `${gateway.url}/once/x`
    const before = await gateway.balanceMsat()
    expect(await buyer.fare(url)).toMatchObject({ code: 5, out: '' })
    await wallet.stop()
    // Nobody can say what became of it: it stays open and nothing is paid.
    expect(await buyer.fare(url)).toMatchObject({ code: 5, out: '' })
    expect(await buyer.fare('recover')).toMatchObject({ code: 5, out: expect.stringContaining('unknown') })
    await startWallet(gateway.admin, Number(new URL(wallet.url).port))
    // The wallet that was asked to pay need not be named to be asked again.
    const recovered = await buyer.run(['recover', '--json'])
    expect(recovered.code).toBe(0)
    expect(JSON.parse(recovered.out)).toMatchObject({ ok: true, recovered: [{ state: 'settled' }] })
    expect(await buyer.report(url)).toMatchObject({ exitCode: 0, paid: false })
    expect(before - (await gateway.balanceMsat())).toBe(10_000n)
    expect(JSON.parse((await buyer.run(['recover', '--json'])).out)).toMatchObject({ recovered: [] })
    expect(await buyer.fare('recover')).toMatchObject({ code: 0, out: 'No payment is open.\n' })
  })

  it('whose address was changed by hand concludes nothing, and nothing is paid again', async () => {
    const wallet = await startWallet(gateway.admin)
    wallet.onPay = (response, invoice) =>
      wallet.payForReal(invoice).then(() => response.socket?.resetAndDestroy())
    const buyer = newBuyer(wallet.url)
    const url = `${gateway.url}/once/x`
    expect(await buyer.fare(url)).toMatchObject({ code: 5 })
    // Another node under the same name: it has never heard of the payment.
    const other = await startWallet(gateway.admin)
    other.onLookup = (response) => response.writeHead(404).end('{"status":"not_found"}')
    const moved = { env: { FARE_SANDBOX_URL: other.url } }
    const again = await buyer.run(['--sandbox', url], moved)
    expect(again).toMatchObject({
      code: 5,
      out: '',
      err: expect.stringContaining('set it up as it was then'),
    })
    expect(again.err).toContain('the wallet "sandbox" is another one now')
    expect(await buyer.run(['recover'], moved)).toMatchObject({
      code: 5,
      out: expect.stringContaining('another one now'),
    })
    expect(other.asked).toEqual([])
    expect(await buyer.spentMsat()).toBe(11_000n)
    expect(await buyer.report(url)).toMatchObject({ exitCode: 0, purchases: [{ resumed: true }] })
    expect(wallet.asked).toHaveLength(1)
  })

  it('that lost the order is sent the same invoice again, not a second one (C3)', async () => {
    const wallet = await startWallet(gateway.admin)
    let lost = true
    wallet.onPay = (response) => {
      if (!lost) return undefined
      lost = false
      return response.socket?.resetAndDestroy()
    }
    const buyer = newBuyer(wallet.url)
    const url = `${gateway.url}/once/x`
    expect(await buyer.fare(url)).toMatchObject({ code: 5 })
    // Not what the policy of this run allows, nor of the purse by now.
    expect(await buyer.report('--max', '5sat', url)).toMatchObject({ exitCode: 5 })
    await buyer.fare('budget', 'set', '--request', '5sat')
    expect(await buyer.report(url)).toMatchObject({ exitCode: 5 })
    expect(wallet.asked).toHaveLength(1)
    await buyer.fare('budget', 'set', '--request', '11sat', '--day', '11sat')
    expect(await buyer.report(url)).toMatchObject({ exitCode: 0, paid: true, spentMsat: '10000' })
    expect(new Set(wallet.asked.map(hashOf)).size).toBe(1)
    expect(await buyer.spentMsat()).toBe(10_000n)
  })

  it('that says so has a payment under way, which is waited for', async () => {
    const wallet = await startWallet(gateway.admin)
    wallet.onPay = (response) => response.writeHead(504).end('{"status":"unknown","detail":"slow"}')
    const buyer = newBuyer(wallet.url)
    const url = `${gateway.url}/forecast/x`
    expect(await buyer.fare(url)).toMatchObject({ code: 5 })
    let asked = 0
    wallet.onLookup = (response) => {
      if (asked++ > 2) return undefined
      response.end('{"status":"pending"}')
      return asked === 2 ? wallet.payForReal(wallet.asked[0] ?? '') : true
    }
    expect(await buyer.report(url)).toMatchObject({ exitCode: 0, purchases: [{ resumed: true }] })
    expect(wallet.asked).toHaveLength(1)
  })

  it('that failed to pay an invoice may be asked again for it', async () => {
    const wallet = await startWallet(gateway.admin)
    let works = false
    wallet.onPay = (response) =>
      works ? undefined : response.writeHead(503).end('{"code":"lightning_unavailable","detail":"starting"}')
    const buyer = newBuyer(wallet.url)
    const { id } = JSON.parse((await buyer.fare('quote', '--json', `${gateway.url}/once/x`)).out) as {
      id: string
    }
    expect(await buyer.report('--quote', id)).toMatchObject({ exitCode: 7, paid: false })
    expect(await buyer.spentMsat()).toBe(0n)
    works = true
    expect(await buyer.report('--quote', id)).toMatchObject({ exitCode: 0, paid: true })
  })
})
