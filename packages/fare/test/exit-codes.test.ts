import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SCHEMAS } from '../src/schema/outputs.ts'
import { newBuyer } from './support/fare.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { challengeOf, charge, charging, startSeller } from './support/seller.ts'
import { startWallet } from './support/wallet.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.stop())

/** Runs the same in both output modes, each with a purse of its own, and checks that they say the same. */
async function bothWays(
  args: readonly string[],
  expected: { code: number; error: string | null; says: RegExp; sandbox?: string; out?: string },
): Promise<void> {
  const sandbox = expected.sandbox ?? gateway.admin
  const [human, report] = await Promise.all([
    newBuyer(sandbox).fare('get', ...args),
    newBuyer(sandbox).report(...args),
  ])
  expect(human.code).toBe(expected.code)
  expect(human.out).toBe(expected.out ?? '')
  expect(human.err).toMatch(expected.says)
  expect(human.err.trimEnd().split('\n').length).toBeLessThanOrEqual(1)
  // Before anything was asked for there is only the error to tell.
  const schema = expected.code === 1 || expected.code === 2 ? SCHEMAS.error : SCHEMAS.get
  expect(schema.safeParse(report).error?.message).toBeUndefined()
  expect(report).toMatchObject({ exitCode: expected.code, ok: expected.error === null })
  expect(report.error?.code ?? null).toBe(expected.error)
  if (report.error) expect(`fare: ${report.error.message}`).toMatch(expected.says)
}

const forecast = '{"city":"rome","sky":"storm","celsius":20}\n'

describe('the exit code', () => {
  it('is 0 for what was fetched, paid or free; only the body is on standard output', async () => {
    const { body } = (await newBuyer(gateway.admin).report(`${gateway.url}/forecast/rome`)) as {
      body: string
    }
    expect(Object.keys(JSON.parse(body))).toEqual(Object.keys(JSON.parse(forecast)))
    const paid = {
      code: 0,
      error: null,
      out: body,
      says: /^fare: Paid: 10 sat for credential [0-9a-f]{16}\.\n$/,
    }
    await bothWays([`${gateway.url}/forecast/rome`], paid)
    const free = { code: 0, error: null, out: '{"status":"ok"}\n', says: /^$/ }
    await bothWays([`${gateway.url}/health`], free)
  })

  it('is 0 for an HTTP error as with curl, and 22 with --fail, where its body is not written', async () => {
    const seller = await startSeller((_, response) => response.writeHead(404).end('no such thing'))
    await bothWays([seller.url], { code: 0, error: null, out: 'no such thing', says: /^$/ })
    await bothWays(['--fail', seller.url], {
      code: 22,
      error: 'http_error',
      says: /^fare: Nothing was paid\. The server answered 404\.\n?$/,
    })
  })

  it('is 1 where nothing answers', async () => {
    await bothWays(['http://127.0.0.1:1/'], {
      code: 1,
      error: 'failed',
      says: /^fare: Nothing was paid: connect ECONNREFUSED/,
    })
  })

  it('is 2 for a command line that makes no sense', async () => {
    await bothWays(['--max', '50', gateway.url], { code: 2, error: 'usage', says: /--max: .*(unit|sat)/ })
    await bothWays([], { code: 2, error: 'usage', says: /expected a URL/ })
  })

  it('is 3 where policy does not pay', async () => {
    const url = `${gateway.url}/forecast/rome`
    await bothWays(['--max', '10sat', url], {
      code: 3,
      error: 'refused',
      says: /^fare: Nothing was paid: .*11 sat/,
    })
    await bothWays(['--no-pay', url], { code: 3, error: 'refused', says: /^fare: Nothing was paid: / })
    await bothWays(['--max', '0', url], { code: 3, error: 'refused', says: /^fare: Nothing was paid: / })
  })

  it('is 4 where the payment failed, and nothing is spent', async () => {
    const wallet = await startWallet(gateway.admin)
    wallet.onPay = (response) =>
      response.writeHead(422).end('{"status":"failed","detail":"no route\\u001b]0;owned\\u0007"}')
    await bothWays([`${gateway.url}/forecast/rome`], {
      code: 4,
      error: 'payment_failed',
      sandbox: wallet.url,
      says: /^fare: Nothing was spent: the payment failed: no route\ufffd\]0;owned\ufffd\.\n?$/,
    })
  })

  it('is 5 where the outcome is not known', async () => {
    const wallet = await startWallet(gateway.admin)
    wallet.onPay = (response) => response.writeHead(500).end('<html>')
    await bothWays([`${gateway.url}/forecast/rome`], {
      code: 5,
      error: 'payment_unknown',
      sandbox: wallet.url,
      says: /^fare: It is not known whether this was paid: .*fare recover/,
    })
  })

  it('is 6 where it was paid and is not served', async () => {
    const seller = await startSeller(charging(gateway, (_, response) => charge(gateway, response)))
    await bothWays([seller.url], {
      code: 6,
      error: 'not_served',
      says: /^fare: Paid: 10 sat for credential [0-9a-f]{16}, but not served: .*--pay-again/,
    })
  })

  it('is 7 where the wallet cannot be reached, or there is none', async () => {
    const url = `${gateway.url}/forecast/rome`
    const says =
      /^fare: Nothing was paid: no sandbox wallet at http:\/\/127\.0\.0\.1:9; .*turnpike serve --sandbox/
    await bothWays([url], { code: 7, error: 'wallet_unreachable', sandbox: 'http://127.0.0.1:9', says })
    const buyer = newBuyer(gateway.admin)
    const none = await buyer.run(['get', url])
    expect(none).toMatchObject({ code: 7, out: '' })
    expect(none.err).toMatch(/^fare: Nothing was paid: no wallet is set up; --sandbox/)
    expect(await buyer.run(['get', `${gateway.url}/health`])).toMatchObject({ code: 0, err: '' })
    expect(await buyer.spentMsat()).toBe(0n)
  })

  it('is 8 where the challenge is not payable', async () => {
    const { invoice } = await challengeOf(gateway)
    const seller = await startSeller((_, response) => charge(gateway, response, { invoice }))
    await bothWays([seller.url], { code: 8, error: 'unpayable', says: /^fare: Nothing was paid: .*macaroon/ })
  })
})

describe('the command line', () => {
  it.each([
    ['--sandbox', 'get', 'URL'],
    ['get', '--sandbox', 'URL'],
    ['get', 'URL', '--sandbox'],
    ['URL', '--sandbox'],
    ['--sandbox', 'URL'],
    ['--max', '50sat', '--sandbox', 'get', 'URL'],
    ['-X', 'GET', 'get', '--wallet', 'sandbox', 'URL'],
    ['--wallet=sandbox', '-H', 'a: get', 'URL'],
  ])('takes %s %s %s …', async (...words) => {
    const buyer = newBuyer(gateway.admin)
    const ran = await buyer.run(words.map((word) => (word === 'URL' ? `${gateway.url}/forecast/x` : word)))
    expect(ran).toMatchObject({ code: 0, err: expect.stringContaining('Paid: 10 sat') })
  })

  it.each([
    [[], /expected a URL or a command/],
    [['frobnicate'], /no command "frobnicate"; there are get, quote/],
    [['constructor'], /no command "constructor"/],
    [['get'], /expected a URL/],
    [['get', 'ftp://x/'], /expected an http/],
    [['get', 'http://u:p@x/'], /user name or password/],
    [['get', 'http://a/', 'http://b/'], /one URL, got 2/],
    [['get', '--frob', 'http://a/'], /--frob/],
    [['get', '--max', 'http://a/'], /expected a URL|--max/],
    [['get', '--max', '-5sat', 'http://a/'], /--max/],
    [['get', '-X', 'A B', 'http://a/'], /-X: expected a method/],
    [['get', '-H', 'no colon', 'http://a/'], /-H: expected/],
    [['get', '-d', '@/nonexistent/file', 'http://a/'], /cannot read \/nonexistent\/file/],
    [['get', '-I', '-d', 'x', 'http://a/'], /HEAD/],
    [['get', '-O', 'http://a/'], /-O: .*-o FILE/],
    [['get', '-o', 'x', '-O', 'http://a/b'], /-o and -O/],
    [['get', '-o', '/nonexistent/x', 'http://a/b'], /cannot write \/nonexistent\/x/],
    [['get', '--max-time', 'soon', 'http://a/'], /--max-time/],
    [['get', '--wallet', 'mine', 'http://a/'], /no wallet "mine"/],
    [['budget'], /budget show \| forgive HOST \| set/],
    [['budget', 'set'], /at least one/],
    [['budget', 'set', '--day', '5'], /--day: .*sat/],
    [['budget', 'set', '--count', '5'], /--count: .*20\/1d/],
    [['budget', 'set', '--host', 'a/b', '--day', '5sat'], /--host/],
    [['tokens'], /tokens list/],
    [['payments', '--limit', 'x'], /--limit/],
  ])('refuses %j with a hint', async (args, hint) => {
    const buyer = newBuyer(gateway.admin)
    const human = await buyer.run(args)
    expect(human).toMatchObject({ code: 2, out: '' })
    expect(human.err).toMatch(hint)
    expect(human.err).not.toMatch(/\n {4}at /)
  })

  it('shows help and version on standard output', async () => {
    const buyer = newBuyer(gateway.admin)
    for (const args of [['--help'], ['help'], ['get', '-h']])
      expect(await buyer.run(args)).toMatchObject({
        code: 0,
        err: '',
        out: expect.stringContaining('exit codes'),
      })
    expect(await buyer.run(['--version'])).toMatchObject({ code: 0, out: 'fare 0.1.0\n' })
  })
})
