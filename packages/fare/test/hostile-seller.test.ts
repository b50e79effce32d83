import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import {
  decodeInvoice,
  encodeBase64,
  encodeIdentifier,
  encodeInvoice,
  encodeMacaroon,
  type InvoiceFields,
  mintMacaroon,
} from '@turnpike/l402'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newBuyer } from './support/fare.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { challengeOf, charge, charging, headerOf, startSeller } from './support/seller.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.stop())

/** A body of 8 MiB that comes as a few kilobytes. */
const bomb = gzipSync(Buffer.alloc(8 * 1024 * 1024))

describe('a body bomb', () => {
  it('is not unpacked to its end, says what was paid first, and what was bought opens next time', async () => {
    const seller = await startSeller(
      charging(gateway, (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb)),
    )
    const buyer = newBuyer(gateway.admin)
    const ran = await buyer.fare('--compressed', seller.url)
    expect(ran.code).toBe(6)
    expect(ran.err).toMatch(
      /^fare: Paid: 10 sat for credential [0-9a-f]{16}, but the answer was not unpacked to its end: .*200 times.*--max-unpack-ratio.* The credential is kept and tried first next time\.\n$/,
    )
    expect(ran.bytes.length).toBeLessThan(5 * 1024 * 1024)
    const free = ['--compressed', '--max-unpack-ratio', 'none', seller.url] as const
    expect((await buyer.fare(...free)).bytes.length).toBe(8 * 1024 * 1024)
    const small = [
      '--compressed',
      '--max-unpack-ratio',
      'none',
      '--max-unpacked',
      '1MiB',
      seller.url,
    ] as const
    expect(await buyer.report(...small)).toMatchObject({ exitCode: 1, paid: false })
    expect(await buyer.inPurse((purse) => purse.payments(9))).toHaveLength(1)
    expect(seller.kinds()).toEqual(['unpaid', 'paid', 'paid', 'paid'])
  })

  it.each([
    [['--max-unpacked', '1MiB'], 'go with --compressed'],
    [['--compressed', '--max-unpacked', '1 MB'], '--max-unpacked: expected a size such as 4GiB'],
    [['--compressed', '--max-unpack-ratio', '0'], '--max-unpack-ratio: expected a whole number'],
  ])('has no bound such as %j', async (typed, said) => {
    const ran = await newBuyer(gateway.admin).fare(...typed, gateway.url)
    expect(ran).toMatchObject({ code: 2, out: '', err: expect.stringContaining(said) })
  })
})

const nodeKey = new Uint8Array(randomBytes(32))

/** A challenge whose macaroon fits its invoice, which nobody but this test has signed. */
function forged(fields: Partial<InvoiceFields>): { macaroon: string; invoice: string } {
  const paymentHash = new Uint8Array(randomBytes(32))
  const invoice = encodeInvoice(
    {
      network: 'regtest',
      amountMsat: 10_000n,
      timestamp: Math.floor(Date.now() / 1000),
      paymentHash,
      paymentSecret: new Uint8Array(randomBytes(32)),
      description: 'forged',
      ...fields,
    },
    nodeKey,
  )
  const identifier = encodeIdentifier({ paymentHash, tokenId: new Uint8Array(randomBytes(32)) })
  return { invoice, macaroon: encodeBase64(encodeMacaroon(mintMacaroon({ rootKey: nodeKey, identifier }))) }
}

describe('a challenge that must not be paid is exit 8', () => {
  const plain = (response: ServerResponse, header: string | undefined, body = ''): unknown =>
    response.writeHead(402, header === undefined ? {} : { 'www-authenticate': header }).end(body)

  it.each<[string, string, (response: ServerResponse) => unknown]>([
    ['no_amount', 'without an amount', (response) => plain(response, headerOf(forged({ amountMsat: null })))],
    ['expired', 'expired', (response) => plain(response, headerOf(forged({ timestamp: 1_700_000_000 })))],
    ['wrong_network', 'on mainnet', (response) => plain(response, headerOf(forged({ network: 'mainnet' })))],
    ['wrong_network', 'on signet', (response) => plain(response, headerOf(forged({ network: 'signet' })))],
    [
      'hash_mismatch',
      'with another payment’s macaroon',
      (response) => charge(gateway, response, { macaroon: forged({}).macaroon }),
    ],
    [
      'malformed',
      'with one letter of the invoice changed',
      async (response) => {
        const { macaroon, invoice } = await challengeOf(gateway)
        const changed = invoice.slice(0, -20) + (invoice.at(-20) === 'q' ? 'p' : 'q') + invoice.slice(-19)
        plain(response, headerOf({ macaroon, invoice: changed }))
      },
    ],
    [
      'no_challenge',
      'in the body only',
      async (response) => plain(response, undefined, JSON.stringify(await challengeOf(gateway))),
    ],
    ['no_challenge', 'of other schemes', (response) => plain(response, 'Basic realm="x", Payment id="y"')],
    ['malformed', 'without an invoice', (response) => plain(response, 'L402 macaroon="AgEE"')],
    [
      'malformed',
      'with two invoices',
      (response) => plain(response, 'L402 macaroon="AgEE", invoice="a", invoice="b"'),
    ],
    [
      'malformed',
      'with an endless quote',
      (response) => plain(response, `L402 macaroon="${'\\"'.repeat(20_000)}`),
    ],
    [
      'malformed',
      'with words for the terminal',
      (response) => plain(response, 'L402 macaroon="AgEE", invoice="\u009b31mlnbc\u0085"'),
    ],
  ])('%s: %s', async (reason, _, answer) => {
    const seller = await startSeller((__, response) => answer(response))
    const buyer = newBuyer(gateway.admin)
    const before = await gateway.balanceMsat()
    const report = await buyer.report(seller.url)
    expect(report).toMatchObject({
      exitCode: 8,
      body: null,
      paid: false,
      error: { code: 'unpayable', reason },
    })
    const human = await buyer.fare(seller.url)
    expect(human).toMatchObject({ code: 8, out: '' })
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
    expect(human.err + JSON.stringify(report)).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
    expect(await gateway.balanceMsat()).toBe(before)
    expect(await buyer.spentMsat()).toBe(0n)
  })

  it('before it is policy’s, and in a quote too', async () => {
    const seller = await startSeller((_, response) =>
      plain(response, headerOf(forged({ network: 'mainnet' }))),
    )
    const buyer = newBuyer(gateway.admin)
    expect(await buyer.report('--no-pay', seller.url)).toMatchObject({ exitCode: 8 })
    expect(await buyer.fare('quote', seller.url)).toMatchObject({ code: 8, out: '' })
  })
})

describe('a challenge that may be paid', () => {
  it('is found among others, in large headers, and its words do not reach the terminal', async () => {
    const { macaroon, invoice } = await challengeOf(gateway)
    const seller = await startSeller((received, response) => {
      if (received.paid) return response.end('done')
      const lines = [
        'Basic realm="a, b"',
        `Payment id="${'x'.repeat(100_000)}"`,
        `L402 version="0" realm="\u009b2J", token="${macaroon}", invoice="${invoice}"`,
      ]
      response.writeHead(402, { 'www-authenticate': lines }).end()
    })
    const ran = await newBuyer(gateway.admin).fare('--events', seller.url)
    expect(ran).toMatchObject({ code: 0, out: 'done' })
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
    expect(ran.err).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
  })

  it('shows its description without what a terminal would obey', async () => {
    const description = 'free \u001b[2J\u009b31m\u202egratis'
    const seller = await startSeller((_, response) =>
      response.writeHead(402, { 'www-authenticate': headerOf(forged({ description })) }).end(),
    )
    const buyer = newBuyer(gateway.admin)
    for (const args of [
      ['quote'],
      ['quote', '--json'],
      ['get', '--no-pay', '--events'],
      ['get', '--no-pay', '--json'],
    ]) {
      const { out, err } = await buyer.fare(...args, seller.url)
      for (const unseen of ['\u001b', '\u009b', '\u202e']) expect(out + err).not.toContain(unseen)
    }
  })
})

describe('a seller who was paid', () => {
  it.each([500, 503, 401, 403])(
    'and answers %i is reported, and presented what was bought (C8)',
    async (status) => {
      let works = false
      const seller = await startSeller(
        charging(gateway, (_, response) =>
          works ? response.end('at last') : response.writeHead(status).end('an excuse'),
        ),
      )
      const buyer = newBuyer(gateway.admin)
      const first = await buyer.fare('-d', 'x', seller.url)
      expect(first).toMatchObject({ code: 6, out: 'an excuse' })
      expect(first.err).toMatch(new RegExp(`^fare: Paid: 10 sat .*the server answered ${status}\\.`))
      expect(await buyer.report('-d', 'x', seller.url)).toMatchObject({ exitCode: 6, paid: false, status })
      works = true
      expect(await buyer.report('-d', 'x', seller.url)).toMatchObject({
        exitCode: 0,
        body: 'at last',
        reused: true,
      })
      expect(await buyer.spentMsat()).toBe(10_000n)
      // A refusal may mean the narrowed copy: what was bought is presented after it.
      const times = status === 401 ? 5 : 3
      expect(seller.kinds()).toEqual(['unpaid', ...Array<string>(times).fill('paid')])
    },
  )

  it('and asks again for ever gets one payment, and another only when told so (C8)', async () => {
    const seller = await startSeller(charging(gateway, (_, response) => charge(gateway, response)))
    const buyer = newBuyer(gateway.admin)
    const before = await gateway.balanceMsat()
    for (let i = 0; i < 3; i++) expect(await buyer.fare(seller.url)).toMatchObject({ code: 6, out: '' })
    expect(before - (await gateway.balanceMsat())).toBe(10_000n)
    expect(await buyer.fare('--pay-again', seller.url)).toMatchObject({ code: 6, out: '' })
    expect(before - (await gateway.balanceMsat())).toBe(20_000n)
    expect(await buyer.spentMsat()).toBe(20_000n)
  })

  it('and drops the connection is exit 6; what may be sent twice is', async () => {
    const seller = await startSeller(charging(gateway, (_, response) => response.destroy()))
    const buyer = newBuyer(gateway.admin)
    expect(await buyer.fare(`${seller.url}/get`)).toMatchObject({ code: 6, out: '' })
    expect(seller.kinds()).toEqual(['unpaid', 'paid', 'paid'])
    // What was paid for is still owed, and told as such.
    expect(await buyer.report(`${seller.url}/get`)).toMatchObject({ exitCode: 6, paid: false, status: null })
    const another = newBuyer(gateway.admin)
    const post = await another.report('-d', 'x', `${seller.url}/post`)
    expect(post).toMatchObject({ exitCode: 6, paid: true, status: null })
    expect(seller.kinds().slice(4)).toEqual(['unpaid', 'paid'])
  })

  it('and breaks off is exit 6, and the rest is not bought again', async () => {
    let whole = false
    const seller = await startSeller(
      charging(gateway, (_, response) => {
        response.writeHead(200, { 'content-length': '10' })
        if (whole) return response.end('0123456789')
        response.write('01234', () => response.destroy())
      }),
    )
    const buyer = newBuyer(gateway.admin)
    const cut = await buyer.fare(seller.url)
    expect(cut).toMatchObject({ code: 6, out: '01234' })
    expect(cut.err).toMatch(/^fare: Paid: 10 sat .*, but the answer broke off: /)
    const report = await newBuyer(gateway.admin).report(seller.url)
    expect(report).toMatchObject({
      exitCode: 6,
      paid: true,
      spentMsat: '10000',
      body: '01234',
      error: { code: 'not_served' },
    })
    whole = true
    expect(await buyer.report(seller.url)).toMatchObject({ exitCode: 0, paid: false, body: '0123456789' })
  })

  it('and never answers is waited for no longer than --max-time', async () => {
    const seller = await startSeller(charging(gateway, () => {}))
    const ran = await newBuyer(gateway.admin).fare('--max-time', '2', seller.url)
    expect(ran).toMatchObject({ code: 6, out: '' })
    expect(ran.err).toMatch(/^fare: Paid: 10 sat/)
  })

  it('and offers the paid invoice to somebody else is not paid twice', async () => {
    const challenge = await challengeOf(gateway)
    const seller = await startSeller((_, response) =>
      response.writeHead(402, { 'www-authenticate': headerOf(challenge) }).end(),
    )
    const buyer = newBuyer(gateway.admin)
    expect(await buyer.fare(`${seller.url}/a`)).toMatchObject({ code: 6 })
    expect(await buyer.report(`${seller.url}/b`)).toMatchObject({
      exitCode: 8,
      error: { reason: 'already_used' },
    })
    expect(decodeInvoice(challenge.invoice).amountMsat).toBe(await buyer.spentMsat())
  })
})

describe('credentials of several services and routes of one host', () => {
  it('are told apart by what they say they open', async () => {
    const buyer = newBuyer(gateway.admin)
    expect(await buyer.report(`${gateway.url}/forecast/a`)).toMatchObject({ paid: true })
    for (let i = 0; i < 4; i++)
      expect(await buyer.report(`${gateway.url}/once/${i}`)).toMatchObject({ paid: true })
    // The pass is older than four others, and still the one that is presented.
    const { code, out, err } = await buyer.fare('--events', `${gateway.url}/forecast/b`)
    expect(code).toBe(0)
    expect(out).toContain('"b"')
    const events = err
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { type: string }).type)
    expect(events).toEqual(['request', 'response', 'served', 'end'])
    expect(await buyer.spentMsat()).toBe(50_000n)
  })
})
