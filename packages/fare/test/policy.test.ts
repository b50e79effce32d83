import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Buyer, newBuyer } from './support/fare.ts'
import { temporaryFolder } from './support/folder.ts'
import { type Gateway, startGateway } from './support/gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.stop())

/** A buyer with this `config.yaml`. */
function configured(yaml: string): Buyer {
  const buyer = newBuyer(gateway.admin)
  mkdirSync(buyer.home, { recursive: true })
  writeFileSync(join(buyer.home, 'config.yaml'), yaml)
  return buyer
}

/** A program in a folder of its own. */
function program(script: string): string {
  const file = join(temporaryFolder(), 'program.sh')
  writeFileSync(file, `#!/bin/sh\n${script}\n`)
  chmodSync(file, 0o700)
  return file
}

const url = (path = '/once/a') => gateway.url + path

describe('fare budget set', () => {
  it('keeps limits of payees and tasks, lists and breakers, and shows them', async () => {
    const buyer = newBuyer(gateway.admin)
    const payee = `02${'ab'.repeat(32)}`
    await buyer.fare('budget', 'set', '--task', 'nightly', '--total', '100sat', '--approve-above', '20sat')
    await buyer.fare('budget', 'set', '--payee', payee.toUpperCase(), '--day', '50sat')
    await buyer.fare('budget', 'set', '--allow-host', '*.Exämple.com', '--allow-host', '127.0.0.1')
    await buyer.fare('budget', 'set', '--deny-payee', payee, '--price-jump', '2.5', '--unserved', '3/1h')
    const { out } = await buyer.fare('budget', 'show', '--json')
    expect(JSON.parse(out)).toMatchObject({
      limits: {
        overall: { requestMsat: '1000000' },
        tasks: { nightly: { totalMsat: '100000', approveAboveMsat: '20000' } },
        payees: { [payee]: { dayMsat: '50000' } },
        hostLists: { allow: ['*.xn--exmple-cua.com', '127.0.0.1'] },
        payeeLists: { deny: [payee] },
        breakers: { priceJump: 2.5, unserved: { max: 3, seconds: 3600 } },
      },
    })
    const shown = (await buyer.fare('budget', 'show')).out
    for (const text of [
      'task nightly',
      'approval above',
      `payee ${payee}`,
      'only hosts',
      'never payees',
      'price jump',
    ])
      expect(shown).toContain(text)
    await buyer.fare('budget', 'set', '--allow-host', 'none', '--price-jump', 'none')
    const { limits } = JSON.parse((await buyer.fare('budget', 'show', '--json')).out) as {
      limits: { hostLists?: object; breakers: object }
    }
    expect(limits.hostLists).toBeUndefined()
    expect(limits.breakers).toEqual({ unserved: { max: 3, seconds: 3600 } })
  })

  it.each([
    [['--host', 'a.example', '--task', 't', '--day', '1sat'], 'expected one of them'],
    [['--payee', 'me', '--day', '1sat'], '66 hex digits'],
    [['--task', 'a b', '--day', '1sat'], '--task: expected'],
    [['--allow-host', 'https://a.example'], 'expected a host name'],
    [['--price-jump', '0.5'], '--price-jump: expected'],
    [['--unserved', '0/1d'], '--unserved: expected'],
    [['--task', 't'], 'expected at least one'],
  ] as const)('refuses %j', async (typed, said) => {
    const { code, err } = await newBuyer(gateway.admin).fare('budget', 'set', ...typed)
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(said) })
  })

  it('holds a task to its limits, wherever it buys', async () => {
    const buyer = newBuyer(gateway.admin)
    await buyer.fare('budget', 'set', '--task', 'nightly', '--total', '15sat')
    expect(await buyer.report('--task', 'nightly', url('/once/a'))).toMatchObject({ ok: true, paid: true })
    expect(await buyer.report('--task', 'nightly', url('/once/b'))).toMatchObject({
      exitCode: 3,
      error: { reason: 'over_budget' },
    })
    expect(await buyer.report(url('/once/b'))).toMatchObject({ ok: true, paid: true })
  })

  it('pays no host that is denied, and no payee that is not allowed', async () => {
    const buyer = newBuyer(gateway.admin)
    await buyer.fare('budget', 'set', '--deny-host', '127.0.0.1')
    expect(await buyer.report(url())).toMatchObject({ exitCode: 3, error: { reason: 'host_not_allowed' } })
    await buyer.fare('budget', 'set', '--deny-host', 'none', '--allow-payee', `03${'cd'.repeat(32)}`)
    expect(await buyer.report(url())).toMatchObject({ exitCode: 3, error: { reason: 'payee_not_allowed' } })
    expect(await buyer.spentMsat()).toBe(0n)
  })
})

describe('an approval', () => {
  it('is needed above the threshold, and refused where there is nobody to ask', async () => {
    const buyer = configured('approval: { by: nobody }\n')
    await buyer.fare('budget', 'set', '--approve-above', '10sat')
    expect(await buyer.report(url())).toMatchObject({ exitCode: 3, error: { reason: 'approval_required' } })
    await buyer.fare('budget', 'set', '--approve-above', '11sat')
    expect(await buyer.report(url())).toMatchObject({ ok: true, paid: true })
  })

  it('comes from a webhook that is shown the purchase, with a token out of a file', async () => {
    const asked: { authorization: string | undefined; body: Record<string, unknown> }[] = []
    let decision = 'approved'
    const server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk) => {
        body += chunk
      })
      request.on('end', () => {
        asked.push({ authorization: request.headers.authorization, body: JSON.parse(body) })
        response.end(JSON.stringify({ decision }))
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const buyer = configured(
      `approval: { by: webhook, url: "http://127.0.0.1:${port}/", tokenFile: token, timeout: 10s }\n`,
    )
    writeFileSync(join(buyer.home, 'token'), 'opens-the-door\n')
    await buyer.fare('budget', 'set', '--approve-above', '1sat')
    expect(await buyer.report('--task', 'nightly', url('/once/a'))).toMatchObject({ ok: true, paid: true })
    expect(asked).toMatchObject([
      {
        authorization: 'Bearer opens-the-door',
        body: { type: 'approval', host: '127.0.0.1', path: '/once/a', amountMsat: '10000', task: 'nightly' },
      },
    ])
    decision = 'denied'
    expect(await buyer.report(url('/once/b'))).toMatchObject({
      exitCode: 3,
      error: { reason: 'approval_denied' },
    })
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    // Gone: nobody approves.
    expect(await buyer.report(url('/once/b'))).toMatchObject({
      exitCode: 3,
      error: { reason: 'approval_denied' },
    })
  })

  it('comes from a page whose address is told to the browser alone', async () => {
    // The browser: follows the file's link and presses the button.
    const browser = join(temporaryFolder(), 'browser.mjs')
    writeFileSync(
      browser,
      `#!${process.execPath}
import { readFileSync } from 'node:fs'
const url = /url=([^"]+)"/.exec(readFileSync(process.argv[2], 'utf8'))[1]
await fetch(url, { method: 'POST', body: new URLSearchParams({ decision: 'approve' }) })
`,
    )
    chmodSync(browser, 0o700)
    const buyer = configured(`approval: { by: page, open: "${browser}", timeout: 30s }\n`)
    await buyer.fare('budget', 'set', '--approve-above', '1sat')
    expect(await buyer.report(url())).toMatchObject({ ok: true, paid: true })
    const lazy = configured(`approval: { by: page, open: "${program('exit 0')}", timeout: 1s }\n`)
    await lazy.fare('budget', 'set', '--approve-above', '1sat')
    expect(await lazy.report(url())).toMatchObject({ exitCode: 3, error: { reason: 'approval_denied' } })
  })
})

describe('the payment hook', () => {
  it('sees every purchase, and nothing is paid without its yes', async () => {
    const seen = join(temporaryFolder(), 'seen')
    const yes = configured(`hook: { exec: "${program(`cat > '${seen}'; echo '{"allow":true}'`)}" }\n`)
    expect(await yes.report(url())).toMatchObject({ ok: true, paid: true })
    const purchase = JSON.parse(readFileSync(seen, 'utf8')) as Record<string, unknown>
    expect(purchase).toMatchObject({
      type: 'payment',
      amountMsat: '10000',
      host: '127.0.0.1',
      path: '/once/a',
    })
    const no = configured(
      `hook: { exec: "${program(`echo '{"allow":false,"reason":"not on a Sunday"}'`)}" }\n`,
    )
    const { exitCode, error } = await no.report(url())
    expect({ exitCode, error }).toMatchObject({ exitCode: 3, error: { reason: 'hook_denied' } })
    expect(error?.message).toContain('not on a Sunday')
    const missing = configured(`hook: { exec: /nowhere/hook }\n`)
    expect(await missing.report(url())).toMatchObject({ exitCode: 3, error: { reason: 'hook_denied' } })
    expect(await missing.spentMsat()).toBe(0n)
  })
})

describe('config.yaml', () => {
  it.each([
    ['approval: { by: me }', 'approval.by: expected one of terminal, page, webhook, nobody'],
    ['approval: yes', 'approval: expected a table'],
    ['approval: { by: webhook }', 'approval.url: expected the URL of the webhook'],
    ['approval: { by: page, url: x }', 'approval: unknown key "url"'],
    ['approval: { by: page, timeout: soon }', 'approval.timeout: expected a duration'],
    ['approval: { by: webhook, url: "http://example.com/" }', 'expected an https URL'],
    ['approval: { by: webhook, url: "https://example.com/", tokenFile: none }', 'cannot be read (ENOENT)'],
    ['hook: {}', 'hook: expected one of "exec"'],
    ['hook: { exec: may-pay }', 'expected the absolute path of a program'],
    ['hook: { exec: /x, url: "https://example.com/" }', 'hook: expected one of "exec"'],
  ])('is refused before anything is asked for: %s', async (yaml, said) => {
    const { code, err } = await configured(`${yaml}\n`).fare('get', url())
    expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(said) })
  })

  it('keeps approval and hook when a wallet is added', async () => {
    const before = 'approval: { by: nobody }\nhook: { exec: /x }\n'
    const buyer = configured(before)
    const file = join(buyer.home, 'config.yaml')
    const phoenixd = ['--backend', 'phoenixd', '--url', 'http://127.0.0.1:1', '--password-file', file]
    const { code } = await buyer.run(['wallet', 'add', 'mine', ...phoenixd])
    expect(code).toBe(0)
    expect(existsSync(file)).toBe(true)
    const after = readFileSync(file, 'utf8')
    expect(after.startsWith(`${before}wallet: mine\nwallets:\n`)).toBe(true)
  })
})
