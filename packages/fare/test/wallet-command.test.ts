/** `fare wallet`: set up, listed, removed; secrets stay in their files. */

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import type { PurseStore } from '@turnpike/l402/client'
import { afterAll, describe, expect, it } from 'vitest'
import { newBuyer } from './support/fare.ts'

const folder = mkdtempSync(join(tmpdir(), 'wallet-files-'))
afterAll(() => rmSync(folder, { recursive: true }))
const MACAROON = join(folder, 'pay.macaroon')
// The shape of one: identifier, no caveats, signature.
writeFileSync(MACAROON, Buffer.from(`0202017800000620${'00'.repeat(32)}`, 'hex'))
const LND = ['--backend', 'lnd', '--url', 'https://127.0.0.1:1', '--macaroon-file', relative('.', MACAROON)]
const buyerOf = () => newBuyer('http://127.0.0.1:9')

describe('fare wallet', () => {
  it('adds wallets, of which the first pays, and removes them', async () => {
    const buyer = buyerOf()
    expect((await buyer.run(['wallet', 'list'])).out).toContain('No wallet is set up')
    const added = await buyer.run(['wallet', 'add', 'home', ...LND, '--tls-cert-file', MACAROON])
    expect(added).toMatchObject({ code: 0, err: '' })
    expect((await buyer.run(['wallet', 'add', 'second', ...LND])).code).toBe(0)
    const file = join(buyer.home, 'config.yaml')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const written = readFileSync(file, 'utf8')
    expect(written).toMatch(/^wallet: home$/m)
    // A file's name is absolute, whatever the folder it was typed in.
    expect(written).toMatch(/macaroonFile: \/.*pay\.macaroon$/m)
    const listed = JSON.parse((await buyer.run(['wallet', 'list', '--json'])).out)
    expect(listed.wallets).toEqual([
      { name: 'home', backend: 'lnd', pays: true, where: 'https://127.0.0.1:1' },
      { name: 'second', backend: 'lnd', pays: false, where: 'https://127.0.0.1:1' },
    ])
    expect((await buyer.run(['wallet', 'use', 'second'])).code).toBe(0)
    expect((await buyer.run(['wallet', 'list'])).out).toMatch(/second {2}lnd {6}yes/)
    expect((await buyer.run(['wallet', 'remove', 'second'])).code).toBe(0)
    expect(JSON.parse((await buyer.run(['wallet', 'list', '--json'])).out).wallets).toHaveLength(1)
  })

  it('loses none of several that are added at once', async () => {
    const buyer = buyerOf()
    const names = ['a', 'b', 'c', 'd', 'e', 'f']
    const ran = await Promise.all(names.map((name) => buyer.run(['wallet', 'add', name, ...LND])))
    expect(ran.map(({ code, err }) => [code, err])).toEqual(names.map(() => [0, '']))
    const listed = JSON.parse((await buyer.run(['wallet', 'list', '--json'])).out) as {
      wallets: { name: string; pays: boolean }[]
    }
    expect(listed.wallets.map(({ name }) => name).sort()).toEqual(names)
    expect(listed.wallets.filter(({ pays }) => pays)).toHaveLength(1)
    expect(readdirSync(buyer.home).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  it('leaves comments, order and layout of the file as they are', async () => {
    const buyer = buyerOf()
    const file = join(buyer.home, 'config.yaml')
    mkdirSync(buyer.home, { recursive: true })
    const node = (name: string) => [
      `    ${name}:`,
      '        backend: lnd # as it came',
      "        url: 'https://127.0.0.1:1'",
      `        macaroonFile: ${MACAROON}`,
    ]
    const before = [
      '# My settings.',
      '',
      'attenuate: false # for now',
      '',
      'wallets:',
      '    # The old one.',
      ...node('old'),
    ]
    const after = ['', '# Who is asked.', 'approval: { by: terminal }', 'wallet: old']
    const kept = [...before, ...after, ''].join('\n')
    writeFileSync(file, kept)
    expect((await buyer.run(['wallet', 'add', 'new', ...LND])).code).toBe(0)
    const own = [
      '    new:',
      '        backend: lnd',
      '        url: https://127.0.0.1:1',
      `        macaroonFile: ${MACAROON}`,
    ]
    expect(readFileSync(file, 'utf8')).toBe([...before, ...own, ...after, ''].join('\n'))
    expect((await buyer.run(['wallet', 'use', 'new'])).code).toBe(0)
    expect((await buyer.run(['wallet', 'use', 'old'])).code).toBe(0)
    expect((await buyer.run(['wallet', 'remove', 'new'])).code).toBe(0)
    expect(readFileSync(file, 'utf8')).toBe(kept)
    writeFileSync(file, '# Nothing yet.\n')
    expect((await buyer.run(['wallet', 'add', 'new', ...LND])).code).toBe(0)
    expect(readFileSync(file, 'utf8')).toMatch(/^# Nothing yet\.\n\n?wallet: new\nwallets:\n {2}new:\n/)
  })

  it.each([
    [['wallet'], /expected: fare wallet add/],
    [['wallet', 'add', 'x'], /--backend: expected one of lnd/],
    [['wallet', 'add', 'x', '--backend', 'lnb'], /--backend: expected one of lnd/],
    [['wallet', 'add', 'x', '--backend', 'lnd'], /expected --url: its REST address/],
    [['wallet', 'add', 'x', '--backend', 'lnd', '--url', 'https://h'], /expected --macaroon-file: the file/],
    [['wallet', 'add', 'x', ...LND.with(3, 'h')], /--url: expected its REST address/],
    [
      ['wallet', 'add', 'x', '--backend', 'lnurl'],
      /--backend: expected one of lnd, .*blink, strike, btcpay, exec/,
    ],
    [['wallet', 'add', 'x', '--backend', 'blink'], /expected --key-file: the file of an API key/],
    [
      ['wallet', 'add', 'x', '--backend', 'btcpay', '--url', 'https://h', '--key-file', 'k'],
      /expected --store/,
    ],
    [['wallet', 'add', 'x', '--backend', 'exec'], /expected --program: the file of a program/],
    [['wallet', 'add', 'a b', ...LND], /cannot be a wallet's name/],
    [['wallet', 'add', 'sandbox', ...LND], /cannot be a wallet's name/],
    // A secret in a command line is for everybody to read.
    [['wallet', 'add', 'x', ...LND, '--macaroon', '00'], /Unknown option '--macaroon'/],
    [['wallet', 'list', '--url', 'https://h'], /takes no settings/],
    [['wallet', 'remove', 'x'], /no wallet "x"; none is set up/],
    [['wallet', 'test', 'x'], /no wallet "x"; there are sandbox/],
  ])('says what is wrong with %j', async (args, says) => {
    const ran = await buyerOf().run(args)
    expect(ran).toMatchObject({ code: 2, out: '' })
    expect(ran.err).toMatch(says)
  })

  it('keeps a wallet, and its name, as long as a payment that it was asked for is open', async () => {
    const buyer = buyerOf()
    await buyer.run(['wallet', 'add', 'home', ...LND])
    const paymentHash = new Uint8Array(32).fill(7)
    const intent: Parameters<PurseStore['reserve']>[0] = {
      ...{ paymentHash, wallet: 'home', origin: 'https://api.example', host: 'api.example', method: 'GET' },
      ...{ url: 'https://api.example/x', bodyDigest: null, scope: 'https://api.example GET /x', task: '' },
      ...{ macaroon: 'AgEE', invoice: 'lnbcrt1', amountMsat: 1_000n, maxFeeMsat: 1_000n, payee: '02' },
      ...{ createdAtMs: Date.now(), expiresAt: 2_000_000_000 },
    }
    await buyer.inPurse(async (purse) => {
      await purse.reserve(intent, await purse.budget())
      await purse.beginPaying(paymentHash)
    })
    const kept = { code: 2, out: '', err: expect.stringContaining('1 payment whose end is open') }
    expect(await buyer.run(['wallet', 'remove', 'home'])).toMatchObject(kept)
    // Not by way of the file either.
    const file = join(buyer.home, 'config.yaml')
    const written = readFileSync(file, 'utf8')
    rmSync(file)
    expect(await buyer.run(['wallet', 'add', 'home', ...LND])).toMatchObject(kept)
    writeFileSync(file, written, { mode: 0o600 })
    await buyer.inPurse((purse) => purse.conclude(paymentHash, { state: 'failed', detail: '' }))
    expect((await buyer.run(['wallet', 'remove', 'home'])).code).toBe(0)
    expect((await buyer.run(['wallet', 'add', 'home', ...LND])).code).toBe(0)
  })

  it('lists the kinds of wallets in its help', async () => {
    const { code, out } = await buyerOf().run(['wallet', 'add', '--help'])
    expect(code).toBe(0)
    for (const kind of ['lnd', 'cln', 'phoenixd', 'blink', 'strike', 'btcpay', 'exec'])
      expect(out).toMatch(new RegExp(`where the money comes from: .*\\b${kind}\\b`))
    expect(out).not.toContain('opennode')
  })

  it.each<[string, string[], RegExp]>([
    [
      'that is not there',
      LND.with(5, join(folder, 'none')),
      /^fare: --macaroon-file: \/.*none: there is no such file; expected the file of a macaroon\. No wallet was added: put it there, or name where it is/,
    ],
    ['that is a folder', LND.with(5, folder), /--macaroon-file: .*: this is a folder/],
    [
      'below what is no folder',
      [...LND, '--tls-cert-file', join(MACAROON, 'tls.cert')],
      /--tls-cert-file: .*: there is no such file; expected the file of the node's TLS certificate/,
    ],
    ['that is empty', LND.with(5, join(folder, 'empty')), /: there is nothing in it/],
    ['that is no program', ['--backend', 'exec', '--program', MACAROON], /: it cannot be run \(EACCES\)/],
  ])('refuses a file %s at once, and adds nothing', async (_, settings, says) => {
    const buyer = buyerOf()
    writeFileSync(join(folder, 'empty'), '')
    const ran = await buyer.run(['wallet', 'add', 'home', ...settings])
    expect(ran).toMatchObject({ code: 2, out: '' })
    expect(ran.err).toMatch(says)
    expect(existsSync(join(buyer.home, 'config.yaml'))).toBe(false)
  })

  it('names a wallet that cannot be reached, and what to do about a file that is not there any more', async () => {
    const buyer = buyerOf()
    const macaroon = join(buyer.home, 'pay.macaroon')
    mkdirSync(buyer.home, { recursive: true, mode: 0o700 })
    copyFileSync(MACAROON, macaroon)
    await buyer.run(['wallet', 'add', 'home', ...LND.with(5, macaroon)])
    rmSync(macaroon)
    const none = await buyer.run(['wallet', 'test'])
    expect(none).toMatchObject({ code: 7, out: '' })
    expect(none.err).toMatch(/^fare: macaroonFile: .*pay\.macaroon: there is no such file/)
    await buyer.run(['wallet', 'add', 'away', ...LND])
    const away = await buyer.run(['wallet', 'test', 'away'])
    expect(away).toMatchObject({ code: 7, out: '' })
    expect(away.err).toBe('fare: lnd at 127.0.0.1:1: nothing answers there\n')
  })

  it('does not go on with a configuration it does not understand', async () => {
    const buyer = buyerOf()
    await buyer.run(['wallet', 'add', 'home', ...LND])
    const file = join(buyer.home, 'config.yaml')
    for (const [text, says] of [
      ['{', /config\.yaml:1:2: not YAML that can be read/],
      ['wallets:\n  a: b: sk_secret\n', /config\.yaml:2:6: not YAML that can be read: (?!.*secret)/],
      [
        'wallet: main\nwallet: other\n',
        /config\.yaml:2:1: not YAML that can be read: Map keys must be unique/,
      ],
      ['wallets: []', /expected a table of wallets/],
      ['walet: home', /unknown key "walet"/],
      ['wallet: home', /there is no wallet "home"/],
      ['wallets: { home: { backend: lnx } }', /no such backend, expected one of lnd/],
      ['wallets: { home: { backend: lnd, url: "https://h" } }', /the key "macaroonFile" is missing/],
    ] as const) {
      writeFileSync(file, text)
      const ran = await buyer.run(['wallet', 'list'])
      expect(ran).toMatchObject({ code: 2, out: '' })
      expect(ran.err).toMatch(says)
    }
    rmSync(file)
    mkdirSync(file)
    const unread = await buyer.run(['wallet', 'list'])
    expect(unread).toMatchObject({ code: 2, out: '' })
    expect(unread.err).toMatch(/config\.yaml: expected a file that can be read \(EISDIR\)/)
  })
})
