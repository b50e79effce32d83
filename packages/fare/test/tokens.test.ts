import { execFile } from 'node:child_process'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SCHEMAS, type SchemaName } from '../src/schema/outputs.ts'
import { startDaemon } from './support/daemon.ts'
import { type Buyer, newBuyer, type Ran } from './support/fare.ts'
import { temporaryFolder } from './support/folder.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { charging, startSeller } from './support/seller.ts'

const BIN = fileURLToPath(new URL('../bin/fare.js', import.meta.url))

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.stop())

/** Checks a `--json` output against the schema that `fare schema` publishes; answers it. */
function valid(name: SchemaName, { out }: Ran): Record<string, unknown> {
  const value = JSON.parse(out) as Record<string, unknown>
  expect(SCHEMAS[name].safeParse(value).error?.message).toBeUndefined()
  return value
}

async function onlyToken(buyer: Buyer): Promise<string> {
  const { tokens } = valid('tokens-list', await buyer.run(['tokens', 'list', '--json'])) as {
    tokens: [{ id: string }]
  }
  expect(tokens).toHaveLength(1)
  return tokens[0].id
}

describe('a narrower copy', () => {
  it('opens as often as it was made for, in another purse, and not once more', async () => {
    const parent = newBuyer(gateway.admin)
    const child = newBuyer(gateway.admin)
    expect((await parent.fare(`${gateway.url}/many/x`)).code).toBe(0)
    const id = await onlyToken(parent)
    const file = join(temporaryFolder(), 'copy.json')
    const narrow = ['--calls', '1', '--until', '1h', '--paths', '/many/*', '--methods', 'GET']
    const made = await parent.run(['tokens', 'attenuate', id, ...narrow, '-o', file])
    expect(made).toMatchObject({ code: 0, err: '', out: expect.stringContaining('weather_max_calls=1') })
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const again = await parent.run(['tokens', 'attenuate', id, ...narrow, '-o', file])
    expect(again).toMatchObject({ code: 2, err: expect.stringMatching(/-o: .*there is a file already/) })
    const added = valid('tokens-import', await child.run(['tokens', 'import', file, '--json']))
    expect(added).toMatchObject({ added: [expect.any(String)], held: [] })
    expect((await child.run(['get', '--no-pay', `${gateway.url}/many/x`])).code).toBe(0)
    expect((await child.run(['get', '--no-pay', `${gateway.url}/many/x`])).code).toBe(3)
    expect(await child.spentMsat()).toBe(0n)
    // The parent still has the third of its three calls.
    expect((await parent.run(['get', '--no-pay', `${gateway.url}/many/x`])).code).toBe(0)
  })

  it('is not handed out where the server does not list its conditions, unless told so knowingly', async () => {
    let listed: readonly string[] | null = null
    const seller = await startSeller((received, response) => {
      if (received.url !== '/openapi.json')
        return charging(gateway, (_, answer) => answer.end('ok'))(received, response)
      if (listed === null) return response.writeHead(404).end()
      return response.end(JSON.stringify({ openapi: '3.1.0', 'x-l402': { conditions: listed } }))
    })
    const buyer = newBuyer(gateway.admin)
    expect((await buyer.fare(`${seller.url}/x`)).code).toBe(0)
    const id = await onlyToken(buyer)
    const file = join(temporaryFolder(), 'copy.json')
    const attenuate = () => buyer.run(['tokens', 'attenuate', id, '--calls', '1', '--json', '-o', file])
    const says = (text: string) => ({
      error: { code: 'payment_refused', message: expect.stringContaining(text) },
    })
    const none = await attenuate()
    expect(none.code).toBe(3)
    expect(valid('error', none)).toMatchObject(says('does not say which conditions it enforces'))
    listed = ['paths']
    expect(valid('error', await attenuate())).toMatchObject(says('does not list weather_max_calls'))
    listed = ['max_calls']
    const made = await attenuate()
    expect(made.code).toBe(0)
    expect(valid('tokens-attenuate', made)).toMatchObject({ authorization: null, file })
  })

  it('is no wider than the credential, and its list is asked for through the proxies of the environment', async () => {
    const buyer = newBuyer(gateway.admin)
    expect((await buyer.fare(`${gateway.url}/many/x`)).code).toBe(0)
    const proxy = await startSeller((_, response) =>
      response.end(
        JSON.stringify({ 'x-l402': { conditions: { other: ['max_calls'], weather: ['paths'] } } }),
      ),
    )
    const attenuate = ['tokens', 'attenuate', await onlyToken(buyer), '--json', '-o']
    const env = { HTTP_PROXY: proxy.url }
    const run = (...args: readonly string[]) =>
      buyer.run([...attenuate, join(temporaryFolder(), 'copy.json'), ...args], { env })
    const wide = await run('--calls', '4')
    expect(wide).toMatchObject({ code: 2, out: expect.stringContaining('weather_max_calls=3') })
    expect(await run('--calls', '4', '--force')).toMatchObject({ code: 2 })
    expect(proxy.received).toEqual([])
    expect(await run('--calls', '2')).toMatchObject({
      code: 3,
      out: expect.stringContaining('does not list weather_max_calls'),
    })
    expect(await run('--paths', '/many/*')).toMatchObject({ code: 0 })
    expect(proxy.received.map(({ url }) => url)).toEqual(
      Array.from({ length: 2 }, () => `${gateway.url}/openapi.json`),
    )
  })

  it('is an Authorization value on standard output, good for any client', async () => {
    const buyer = newBuyer(gateway.admin)
    expect((await buyer.fare(`${gateway.url}/forecast/x`)).code).toBe(0)
    const args = ['tokens', 'attenuate', await onlyToken(buyer), '--until', '1m', '--force']
    // Run apart: this one shows a secret, which is what it is for.
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [BIN, ...args], { env: buyer.env })
    expect(stdout).toMatch(/^L402 [\w+/=-]+:[0-9a-f]{64}\n$/)
    expect(stderr).toMatch(/^fare: narrowed by weather_valid_until=\d+; /)
    const answer = await fetch(`${gateway.url}/forecast/y`, { headers: { authorization: stdout.trim() } })
    expect(answer.status).toBe(200)
    await answer.body?.cancel()
  })
})

describe('credentials', () => {
  it('go to another purse in an encrypted bundle', async () => {
    const folder = temporaryFolder()
    const [bundle, passphrase] = [join(folder, 'bundle.json'), join(folder, 'passphrase')]
    writeFileSync(passphrase, 'correct horse\n')
    const from = newBuyer(gateway.admin)
    const to = newBuyer(gateway.admin)
    expect((await from.fare(`${gateway.url}/forecast/x`)).code).toBe(0)
    const id = await onlyToken(from)
    const sealed = ['-o', bundle, '--passphrase-file', passphrase, '--json']
    expect(valid('tokens-export', await from.run(['tokens', 'export', ...sealed]))).toMatchObject({
      exported: [id],
    })
    expect(statSync(bundle).mode & 0o777).toBe(0o600)
    const read = ['tokens', 'import', bundle, '--passphrase-file', passphrase, '--json']
    expect(valid('tokens-import', await to.run(read))).toMatchObject({ added: [id] })
    expect(valid('tokens-import', await to.run(read))).toMatchObject({ added: [], held: [id] })
    expect((await to.run(['get', '--no-pay', `${gateway.url}/forecast/x`])).code).toBe(0)
  })

  it('go out of the purse when told, and the payment stays on the books', async () => {
    const buyer = newBuyer(gateway.admin)
    expect((await buyer.fare(`${gateway.url}/forecast/x`)).code).toBe(0)
    const id = await onlyToken(buyer)
    const shown = await buyer.run(['tokens', 'show', id.slice(0, 6), '--json'])
    expect(valid('tokens-show', shown)).toMatchObject({ token: { id, costMsat: '10000' } })
    const forgotten = await buyer.run(['tokens', 'forget', id, '--json'])
    expect(valid('tokens-forget', forgotten)).toMatchObject({ token: id })
    expect((await buyer.run(['get', '--no-pay', `${gateway.url}/forecast/x`])).code).toBe(3)
    expect(await buyer.spentMsat()).toBe(10_000n)
  })

  it.each([
    [['tokens'], /expected: fare tokens list/],
    [['tokens', 'constructor'], /expected: fare tokens/],
    [['tokens', 'list', '--calls', '1'], /fare tokens list takes no --calls/],
    [['tokens', 'show'], /the id of one credential/],
    [['tokens', 'show', 'abcd'], /holds no credential "abcd"/],
    [['tokens', 'attenuate', 'abcd'], /at least one of --calls/],
    [['tokens', 'export'], /-o FILE and --passphrase-file/],
    [['tokens', 'import', '/nonexistent'], /cannot read \/nonexistent/],
    [['tokens', 'import', '--origin', 'example.com'], /--origin/],
    [['grant'], /fare grant create/],
    [['grant', 'revoke'], /expected the id of a grant/],
    [['grant', 'revoke', 'zz'], /no grant "zz"/],
    [['grant', 'list', '--total', '1sat'], /takes no such option/],
    [['grant', 'show'], /FARE_GRANT_FILE/],
    [['daemon', 'now'], /takes no argument/],
    [['board', '--listen', '0.0.0.0:1'], /127\.0\.0\.1:PORT/],
    [['payments', '--csv', '--json'], /--csv and --json/],
    [['payments', '--state', 'bogus'], /--state: expected one of/],
    [['completions'], /bash \| zsh \| fish/],
  ])('and grants: %j is refused with a hint', async (args, says) => {
    const ran = await newBuyer(gateway.admin).run(args)
    expect(ran).toMatchObject({ code: 2, out: args.includes('--json') ? expect.any(String) : '' })
    expect(ran.err + ran.out).toMatch(says)
    expect(ran.err).not.toMatch(/\n {4}at /)
  })
})

describe('every --json output and event is what fare schema says', () => {
  it('of a purchase, a quote, refusals, the books and grants', async () => {
    const buyer = newBuyer(gateway.admin)
    const url = `${gateway.url}/forecast/x`
    const json = (name: SchemaName, ...args: readonly string[]) =>
      buyer.run([...args, '--json']).then((ran) => valid(name, ran))
    await json('quote', 'quote', url, '--sandbox')
    await json('quote', 'quote', `${gateway.url}/health`)
    await json('get', 'get', url, '--sandbox', '--max', '1sat')
    const bought = await buyer.run(['get', '--sandbox', '--events', url])
    const events = bought.err
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string })
    for (const event of events) expect(SCHEMAS.event.safeParse(event).error?.message).toBeUndefined()
    expect(events.map(({ type }) => type)).toEqual([
      ...['request', 'response', 'challenge', 'waiting', 'reserved', 'paying', 'paid', 'request', 'response'],
      ...['served', 'end'],
    ])
    await json('get', 'get', url)
    await json('get', 'get', 'http://127.0.0.1:1/').catch(() => {})
    await json('error', 'get', 'ftp://x/')
    await json('budget', 'budget', 'set', '--day', '5ksat', '--host', 'x.example', '--count', '5/1d')
    const { summary } = (await json('payments', 'payments', '--since', '1h')) as { summary: object }
    expect(summary).toEqual({
      ...{ payments: 1, spentMsat: '10000', served: 1, msatPerServed: '10000' },
      fiat: [],
    })
    await json('recover', 'recover')
    await json('wallet-list', 'wallet', 'list')
    const file = join(temporaryFolder(), 'grant.json')
    const terms = [
      '--total',
      '5sat',
      '--hosts',
      'x.example,[::1]:80',
      '--until',
      '1d',
      '--task',
      'maps',
      '-o',
      file,
    ]
    await json('grant-create', 'grant', 'create', ...terms)
    const { grants } = (await json('grant-list', 'grant', 'list')) as { grants: [{ id: string }] }
    await startDaemon(buyer)
    const holder = { env: { FARE_GRANT_FILE: file } }
    valid('grant-show', await buyer.run(['grant', 'show', '--json'], holder))
    await json('grant-revoke', 'grant', 'revoke', grants[0].id)
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ fareGrant: 1 })
    const csv = await buyer.run(['payments', '--csv'])
    expect(csv.out.split('\r\n')[1]).toMatch(/^20.*,settled,redeemed,127\.0\.0\.1,GET http.*,10000,0,10000,,/)
  })
})
