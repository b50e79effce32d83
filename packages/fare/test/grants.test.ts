import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { askRaw, newGrant, startDaemon } from './support/daemon.ts'
import { type Buyer, newBuyer } from './support/fare.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { charging, startSeller } from './support/seller.ts'
import { startWallet } from './support/wallet.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.stop())

const hostOf = (url: string): string => new URL(url).host
const until = ['--until', '1h'] as const

/** What the daemon's books say of a grant. */
async function grantOf(buyer: Buyer, id: string): Promise<{ spentMsat: bigint; state: string }> {
  const { grants } = JSON.parse((await buyer.run(['grant', 'list', '--json'])).out) as {
    grants: { id: string; spentMsat: string; state: string }[]
  }
  const found = grants.find((one) => one.id === id)
  return { spentMsat: BigInt(found?.spentMsat ?? '-1'), state: found?.state ?? 'missing' }
}

describe('a spend grant', () => {
  it('lets a process buy that has neither purse nor wallet, and its credential is used again', async () => {
    const buyer = newBuyer(gateway.admin)
    await startDaemon(buyer)
    const holder = await newGrant(buyer, '--total', '100sat', '--hosts', hostOf(gateway.url), ...until)
    const first = await holder.fare(`${gateway.url}/forecast/rome`)
    expect(first).toMatchObject({ code: 0, out: expect.stringContaining('celsius') })
    expect(first.err).toMatch(/^fare: Paid: 10 sat for credential [0-9a-f]{16}\.\n$/)
    const again = JSON.parse((await holder.fare('--json', `${gateway.url}/forecast/rome`)).out)
    expect(again).toMatchObject({ ok: true, exitCode: 0, reused: true, spentMsat: '0', status: 200 })
    expect(await grantOf(buyer, holder.id)).toEqual({ spentMsat: 10_000n, state: 'good' })
    expect(await buyer.spentMsat()).toBe(10_000n)
    expect(existsSync(join(holder.file, '..', 'own'))).toBe(false)
    const shown = await holder.fare('grant', 'show')
    expect(shown.out).toContain('90 sat of 100 sat')
  })

  it('leads no name of its hosts into the private network of the daemon, unless that was allowed', async () => {
    const buyer = newBuyer(gateway.admin)
    const daemon = await startDaemon(buyer)
    // A name that this machine resolves to an address of its own, as one whose owner points it here would be.
    const name = `${hostname()}:${new URL(gateway.url).port}`
    const terms = ['--total', '100sat', '--hosts', name, ...until]
    const holder = await newGrant(buyer, ...terms)
    const refused = await holder.fare(`http://${name}/forecast/rome`)
    expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('not a public address') })
    await daemon.stop()
    await startDaemon(buyer, '--allow-network', '127.0.0.0/8')
    expect((await holder.fare(`http://${name}/forecast/rome`)).code).toBe(0)
  })

  it('pays nothing that the hook of its user forbids, and keeps to the fees that they allow', async () => {
    const buyer = newBuyer(gateway.admin)
    mkdirSync(buyer.home, { mode: 0o700 })
    const hook = join(buyer.home, 'hook')
    writeFileSync(hook, `#!/bin/sh\ncat > ${hook}.seen\necho '{"allow":false,"reason":"not on Sundays"}'\n`)
    chmodSync(hook, 0o700)
    const config = { hook: { exec: hook }, fees: { percent: 0, least: 0 }, approval: { by: 'nobody' } }
    writeFileSync(join(buyer.home, 'config.yaml'), JSON.stringify(config))
    await startDaemon(buyer)
    const holder = await newGrant(buyer, '--total', '100sat', '--hosts', hostOf(gateway.url), ...until)
    const refused = await holder.fare(`${gateway.url}/forecast/rome`)
    expect(refused).toMatchObject({ code: 3, out: '', err: expect.stringContaining('not on Sundays') })
    expect(JSON.parse(readFileSync(`${hook}.seen`, 'utf8'))).toMatchObject({
      amountMsat: '10000',
      maxFeeMsat: '0',
    })
    expect(await buyer.inPurse((purse) => purse.payments(9))).toEqual([])
    await buyer.run(['budget', 'set', '--approve-above', '5sat'])
    const unapproved = await holder.fare('--json', `${gateway.url}/forecast/rome`)
    expect(JSON.parse(unapproved.out)).toMatchObject({ exitCode: 3, error: { reason: 'approval_required' } })
  })

  it('keeps the payments under the tag of the grant', async () => {
    const buyer = newBuyer(gateway.admin)
    await startDaemon(buyer)
    const terms = ['--total', '100sat', '--hosts', hostOf(gateway.url), '--task', 'nightly', ...until]
    const holder = await newGrant(buyer, ...terms)
    expect((await holder.fare(`${gateway.url}/forecast/rome`)).code).toBe(0)
    expect(await buyer.inPurse((purse) => purse.payments(9))).toMatchObject([{ task: 'nightly' }])
  })

  it('sends method, headers and body on, and hands every byte back', async () => {
    const buyer = newBuyer(gateway.admin)
    await startDaemon(buyer)
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7) % 256))
    const seller = await startSeller(
      charging(gateway, (_, response) => response.writeHead(200, { 'x-extra': 'yes' }).end(bytes)),
    )
    const holder = await newGrant(buyer, '--total', '100sat', '--hosts', hostOf(seller.url), ...until)
    const ran = await holder.fare('-X', 'PUT', '-H', 'x-mine: 1', '-d', 'a=b', `${seller.url}/x`)
    expect(ran.code).toBe(0)
    expect(ran.bytes.equals(bytes)).toBe(true)
    const [unpaid, paid] = seller.received
    for (const one of [unpaid, paid])
      expect(one).toMatchObject({ method: 'PUT', headers: { 'x-mine': '1' }, body: Buffer.from('a=b') })
    expect((await holder.fare('-i', `${seller.url}/x`)).out).toMatch(/^HTTP\/1\.1 200[\s\S]*x-extra: yes/)
  })

  it('is spent to its end and no millisatoshi further, fees included, however many ask at once', async () => {
    const buyer = newBuyer(gateway.admin)
    await startDaemon(buyer)
    // A price of 10 sat counts with its fee reserve of 1 sat until it is paid: 45 sat are good for four.
    const holder = await newGrant(buyer, '--total', '45sat', '--hosts', hostOf(gateway.url), ...until)
    const runs = await Promise.all(
      Array.from({ length: 8 }, (_, i) => holder.fare('--json', `${gateway.url}/once/${i}`)),
    )
    const codes = runs.map(({ code }) => code)
    expect(codes.filter((code) => code === 0).length).toBeLessThanOrEqual(4)
    expect(codes.every((code) => code === 0 || code === 3)).toBe(true)
    for (let i = 10; i < 15; i++) await holder.fare(`${gateway.url}/once/${i}`)
    expect(await grantOf(buyer, holder.id)).toEqual({ spentMsat: 40_000n, state: 'good' })
    expect(await buyer.spentMsat()).toBe(40_000n)
    const over = await holder.fare(`${gateway.url}/once/99`)
    expect(over).toMatchObject({ code: 3, out: '' })
    expect(over.err).toMatch(/^fare: Nothing was paid: the limit "grant total" is 45 sat; .* 51 sat/)
  })

  it('stays beneath the budget of its user', async () => {
    const buyer = newBuyer(gateway.admin)
    await buyer.run(['budget', 'set', '--total', '12sat'])
    await startDaemon(buyer)
    const holder = await newGrant(buyer, '--total', '1ksat', '--hosts', hostOf(gateway.url), ...until)
    expect((await holder.fare(`${gateway.url}/once/1`)).code).toBe(0)
    const over = await holder.fare(`${gateway.url}/once/2`)
    expect(over).toMatchObject({ code: 3, err: expect.stringContaining('the limit "total" is 12 sat') })
    // What the user's budget refused is not held of the grant.
    expect((await grantOf(buyer, holder.id)).spentMsat).toBe(10_000n)
  })

  it('is remembered when the daemon is killed while its wallet says nothing', async () => {
    const wallet = await startWallet(gateway.admin)
    const buyer = newBuyer(wallet.url)
    const daemon = await startDaemon(buyer)
    const holder = await newGrant(buyer, '--total', '30sat', '--hosts', hostOf(gateway.url), ...until)
    wallet.onPay = () => 'never'
    const asked = holder.fare('--json', `${gateway.url}/once/1`)
    await expect.poll(() => wallet.asked.length).toBe(1)
    await daemon.stop('SIGKILL')
    const { out } = await asked
    expect(JSON.parse(out)).toMatchObject({
      ok: false,
      exitCode: 5,
      outcome: 'payment_unknown',
      paymentHash: expect.stringMatching(/^[0-9a-f]{64}$/),
    })
    await wallet.payForReal(wallet.asked[0] ?? '')
    expect((await grantOf(buyer, holder.id)).spentMsat).toBe(11_000n)
    wallet.onPay = () => undefined
    await startDaemon(buyer)
    // The next run for the same scope finds it paid, and pays nothing more.
    const next = JSON.parse((await holder.fare('--json', `${gateway.url}/once/1`)).out)
    expect(next).toMatchObject({ ok: true, spentMsat: '0', purchases: [{ resumed: true }] })
    expect(wallet.asked).toHaveLength(1)
    expect((await grantOf(buyer, holder.id)).spentMsat).toBe(10_000n)
  })

  it('sees nothing that was bought outside it', async () => {
    const buyer = newBuyer(gateway.admin)
    expect((await buyer.fare(`${gateway.url}/many/x`)).code).toBe(0)
    await startDaemon(buyer)
    const holder = await newGrant(buyer, '--total', '100sat', '--hosts', hostOf(gateway.url), ...until)
    const none = await holder.fare('--no-pay', '--json', `${gateway.url}/many/x`)
    expect(JSON.parse(none.out)).toMatchObject({ exitCode: 3, error: { reason: 'no_pay' } })
    const own = JSON.parse((await holder.fare('--json', `${gateway.url}/many/x`)).out)
    expect(own).toMatchObject({ ok: true, spentMsat: '25000', reused: false })
  })
})

describe('a hostile holder', () => {
  it('cannot raise the limits in what it sends', async () => {
    const buyer = newBuyer(gateway.admin)
    const { address } = await startDaemon(buyer)
    const holder = await newGrant(
      buyer,
      ...['--total', '100sat', '--request', '5sat', '--hosts', hostOf(gateway.url)],
      ...until,
    )
    const { grant } = JSON.parse(readFileSync(holder.file, 'utf8')) as { grant: string }
    const socket = address.slice('unix:'.length)
    const headers = { authorization: `Bearer ${grant}`, 'content-type': 'application/json' }
    const asked = {
      url: `${gateway.url}/forecast/x`,
      method: 'GET',
      headers: [],
      body: null,
      redirect: 'follow',
      maxMsat: '9000000000000000000',
      noPay: false,
      payAgain: true,
      maxRedirects: null,
      timeoutMs: null,
    }
    const ask = (body: object) => askRaw(socket, { headers, body: JSON.stringify(body) })
    const refused = await ask(asked)
    expect(refused.body).toContain('"limit":"grant request"')
    for (const more of [{ totalMsat: '1' }, { hosts: ['evil.example'] }, { budget: {} }, { insecure: true }])
      expect(await ask({ ...asked, ...more })).toMatchObject({
        status: 400,
        body: expect.stringMatching(/unknown key/),
      })
    for (const bad of [
      { maxMsat: '-1' },
      { maxMsat: 5 },
      { url: 'file:///etc/passwd' },
      { method: 'CONNECT' },
      { url: gateway.url.replace('://', '://user:password@') },
      { timeoutMs: 2 ** 31 },
      { maxRedirects: 2 ** 31 },
      { maxMsat: '9223372036854775808' },
      { headers: [['Host', 'x']] },
      {
        headers: [
          ['transfer-encoding', 'chunked'],
          ['content-length', '5'],
        ],
      },
      { headers: [['Connection', 'upgrade']] },
      { headers: [['macaroon', '00']] },
      { headers: [['x', 'a\r\nb: c']] },
    ]) {
      const told = await ask({ ...asked, ...bad })
      const [field] = Object.keys(bad)
      expect(told).toMatchObject({ status: 400, body: expect.stringContaining(`"${field}: expected `) })
      expect(told.body).not.toContain('password@')
    }
    expect((await ask([])).status).toBe(400)
    expect((await askRaw(socket, { headers, body: '{' })).status).toBe(400)
    expect(await buyer.spentMsat()).toBe(0n)
  })

  it('is nobody with a forged, cut or foreign secret, and a page is told to go', async () => {
    const buyer = newBuyer(gateway.admin)
    const { address } = await startDaemon(buyer)
    const holder = await newGrant(buyer, '--total', '100sat', '--hosts', hostOf(gateway.url), ...until)
    const other = await newGrant(buyer, '--total', '1sat', '--hosts', hostOf(gateway.url), ...until)
    const secretOf = (file: string): string =>
      (JSON.parse(readFileSync(file, 'utf8')) as { grant: string }).grant
    const good = secretOf(holder.file)
    const mixed = `${other.id}.${good.split('.')[1]}`
    const socket = address.slice('unix:'.length)
    const path = '/v1/grant'
    for (const token of [
      mixed,
      good.slice(0, -1),
      `${good}x`,
      `${holder.id}.${'A'.repeat(43)}`,
      '',
      holder.id,
    ]) {
      const told = await askRaw(socket, { path, headers: { authorization: `Bearer ${token}` } })
      expect(told.status).toBe(401)
    }
    expect((await askRaw(socket, { path })).status).toBe(401)
    const authorization = `Bearer ${good}`
    expect((await askRaw(socket, { path, headers: { authorization } })).status).toBe(200)
    const page = await askRaw(socket, { path, headers: { authorization, origin: 'https://evil.example' } })
    expect(page.status).toBe(403)
    writeFileSync(holder.file, readFileSync(holder.file, 'utf8').replace(good, mixed))
    expect(await holder.fare(`${gateway.url}/forecast/x`)).toMatchObject({
      code: 3,
      out: '',
      err: 'fare: Nothing was paid: the daemon knows no such grant\n',
    })
    // The books hold no secret that could be used.
    const books = readFileSync(join(buyer.home, 'grants.db'), 'latin1')
    expect(books.includes(good.split('.')[1] ?? '?')).toBe(false)
  })

  it('reaches no other host, neither at once nor by a redirect', async () => {
    const buyer = newBuyer(gateway.admin)
    await startDaemon(buyer)
    const away = await startSeller((_, response) =>
      response.writeHead(302, { location: `${gateway.url}/forecast/x` }).end(),
    )
    const holder = await newGrant(buyer, '--total', '100sat', '--hosts', hostOf(away.url), ...until)
    const direct = await holder.fare(`${gateway.url}/health`)
    expect(direct).toMatchObject({
      code: 3,
      out: '',
      err: expect.stringMatching(/Nothing was paid: the grant does not reach/),
    })
    const led = await holder.fare('-L', away.url)
    expect(led).toMatchObject({
      code: 3,
      out: '',
      err: expect.stringMatching(/Nothing was paid: the grant does not reach/),
    })
    const named = await holder.fare('-H', 'Host: other.example', away.url)
    expect(named).toMatchObject({ code: 3, out: '', err: expect.stringContaining('no Host among them') })
    expect(away.received).toHaveLength(1)
    expect(await buyer.spentMsat()).toBe(0n)
  })

  it('buys nothing once the grant is revoked or has ended, and reuses nothing', async () => {
    const buyer = newBuyer(gateway.admin)
    await startDaemon(buyer)
    const holder = await newGrant(buyer, '--total', '100sat', '--hosts', hostOf(gateway.url), ...until)
    expect((await holder.fare(`${gateway.url}/forecast/x`)).code).toBe(0)
    expect((await buyer.run(['grant', 'revoke', holder.id])).out).toMatch(/is revoked.*Spent: 10 sat/)
    expect(await holder.fare(`${gateway.url}/forecast/x`)).toMatchObject({
      code: 3,
      err: expect.stringMatching(/revoked/),
    })
    expect((await grantOf(buyer, holder.id)).state).toBe('revoked')
    const brief = await newGrant(buyer, '--total', '9sat', '--hosts', hostOf(gateway.url), '--until', '1s')
    await expect.poll(async () => (await grantOf(buyer, brief.id)).state).toBe('expired')
    expect(await brief.fare(`${gateway.url}/forecast/x`)).toMatchObject({
      code: 3,
      err: expect.stringMatching(/expired/),
    })
    expect(await buyer.spentMsat()).toBe(10_000n)
  })

  it('never gets a macaroon: not of a 402, not in a header', async () => {
    const buyer = newBuyer(gateway.admin)
    await startDaemon(buyer)
    const holder = await newGrant(buyer, '--total', '1sat', '--hosts', hostOf(gateway.url), ...until)
    const { code, out } = await holder.fare('-i', '--json', `${gateway.url}/forecast/x`)
    expect(code).toBe(3)
    expect(JSON.parse(out)).toMatchObject({ headers: null, body: null, overBudget: { limit: 'grant total' } })
    expect(out).not.toMatch(/macaroon|lnbcrt/)
  })

  it('chooses neither wallet nor trust, nor how the daemon connects, and is told so', async () => {
    const buyer = newBuyer(gateway.admin)
    const holder = await newGrant(buyer, '--total', '1sat', '--hosts', 'x.example', ...until)
    const refused = [
      ['--wallet', 'w'],
      ['--sandbox'],
      ['-k'],
      ['--quote', 'ab'],
      ['--task', 't'],
      ['--compressed'],
      ['--public-only'],
    ]
    for (const flags of refused)
      expect(await holder.fare(...flags, 'http://x.example/')).toMatchObject({
        code: 2,
        err: expect.stringContaining(
          `${flags[0] === '-k' ? '--insecure' : flags[0]} is the daemon's business`,
        ),
      })
  })
})

describe('the purse daemon', () => {
  it('keeps its socket to its owner, and there is one of it', async () => {
    const buyer = newBuyer(gateway.admin)
    const { address, stop } = await startDaemon(buyer)
    const socket = address.slice('unix:'.length)
    expect(statSync(socket).mode & 0o777).toBe(0o600)
    expect(statSync(join(socket, '..')).mode & 0o777).toBe(0o700)
    expect(statSync(join(buyer.home, 'grants.db')).mode & 0o777).toBe(0o600)
    expect(await buyer.run(['daemon', '--sandbox'])).toMatchObject({
      code: 1,
      err: expect.stringMatching(/running already/),
    })
    await stop('SIGKILL')
    await startDaemon(buyer)
  })

  it('listens on loopback HTTP where it is told to, for those that name its very address', async () => {
    const buyer = newBuyer(gateway.admin)
    const { address } = await startDaemon(buyer, '--listen', '127.0.0.1:0')
    const holder = await newGrant(
      buyer,
      ...['--total', '100sat', '--hosts', hostOf(gateway.url), '--daemon', address],
      ...until,
    )
    expect((await holder.fare(`${gateway.url}/forecast/x`)).code).toBe(0)
    const { port } = new URL(address)
    const { grant } = JSON.parse(readFileSync(holder.file, 'utf8')) as { grant: string }
    const renamed = await fetch(`http://localhost:${port}/v1/grant`, {
      headers: { authorization: `Bearer ${grant}` },
    })
    expect(renamed.status).toBe(403)
    expect(await buyer.run(['daemon', '--listen', '0.0.0.0:0'])).toMatchObject({
      code: 2,
      err: expect.stringMatching(/127\.0\.0\.1/),
    })
  })

  it('goes through the proxies of its environment to hosts that are given as addresses', async () => {
    const buyer = newBuyer(gateway.admin)
    const proxy = await startSeller((_, response) => response.end('by way of the proxy'))
    buyer.env['HTTP_PROXY'] = proxy.url
    await startDaemon(buyer)
    const holder = await newGrant(buyer, '--total', '1sat', '--hosts', '127.0.0.1:9', ...until)
    const told = await holder.fare('http://127.0.0.1:9/x')
    expect(told).toMatchObject({ code: 0, out: 'by way of the proxy' })
    expect(proxy.received.map(({ url }) => url)).toEqual(['http://127.0.0.1:9/x'])
  })

  it('that does not run is said so, and nothing is paid', async () => {
    const buyer = newBuyer(gateway.admin)
    const holder = await newGrant(buyer, '--total', '1sat', '--hosts', 'x.example', ...until)
    expect(await holder.fare('http://x.example/')).toMatchObject({
      code: 7,
      out: '',
      err: expect.stringMatching(
        /^fare: Nothing was paid: no purse daemon answers at unix:.*ENOENT.*fare daemon starts it/,
      ),
    })
  })

  it('is told a grant that cannot be meant', async () => {
    const buyer = newBuyer(gateway.admin)
    const good = ['--total', '1sat', '--hosts', 'x.example', '--until', '1h']
    for (const [args, says] of [
      [[], /--total, --hosts and --until/],
      [['--total', '5', ...good.slice(2)], /--total: .*sat/],
      [[...good.slice(0, 2), '--hosts', '*.example', ...until], /--hosts/],
      [[...good.slice(0, 2), '--hosts', 'http://x.example', ...until], /--hosts/],
      [[...good.slice(0, 4), '--until', '2020-01-01'], /--until: .*still to come/],
      [[...good.slice(0, 4), '--until', 'soon'], /--until: expected a time/],
      [[...good, '--task', 'x'.repeat(65)], /--task/],
      [[...good, '--daemon', 'http://evil.example:80'], /--daemon/],
    ] as const)
      expect(await buyer.run(['grant', 'create', ...args])).toMatchObject({
        code: 2,
        out: '',
        err: expect.stringMatching(says),
      })
  })
})
