import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { sqliteStore } from '@turnpike/l402/store/sqlite'
import { afterEach, describe, expect, it } from 'vitest'
import { ask } from './client.ts'
import { buy, cleanUp, configOf, folderWith, newFolder, run, serve, start } from './program.ts'

afterEach(cleanUp)

const FAULT = /^turnpike\.yaml:[1-9]\d*:[1-9]\d*: .+(?:expected|write|YAML) .+$/

describe('a bad configuration', () => {
  const route = (text: string): string => configOf({ routes: [text] })
  it.each<[string, string | Buffer]>([
    ['nothing', ''],
    ['an unknown key', configOf({ top: 'lisetn: 127.0.0.1:1' })],
    ['a price without a unit', route('{ match: /x, price: 10 }')],
    ['an unknown backend', configOf().replace('lightning: sandbox', 'lightning: { backend: lmd }')],
    ['mainnet', configOf({ top: 'network: mainnet' })],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what stands in the file
    ['a variable that is not set', configOf({ upstream: '"${NO_SUCH_VARIABLE}"' })],
    ['the admin on a public address', configOf().replaceAll('127.0.0.1:0', '127.0.0.1:8402')],
  ])('%s: FILE:LINE:COL, what was expected, and 78', async (_, text) => {
    const folder = folderWith('')
    writeFileSync(join(folder, 'turnpike.yaml'), text)
    const { code, out, err } = await run(folder, ['serve'])
    expect([code, out]).toEqual([78, ''])
    for (const line of err.trimEnd().split('\n')) expect(line).toMatch(FAULT)
    expect(readdirSync(folder).sort()).toEqual(['turnpike.key', 'turnpike.yaml'])
  })

  it('check tells the same, and serve and check agree on what is good', async () => {
    const bad = folderWith(configOf({ store: 'no' }))
    const [checked, served] = await Promise.all([run(bad, ['check']), run(bad, ['serve'])])
    expect(checked).toEqual(served)
    const good = await run(folderWith(configOf()), ['check'])
    expect([good.code, good.err]).toEqual([0, ''])
    expect(good.out).toMatch(/\/free\/\*.*free.*\n.*\/pass\/\*.*10 sat.*1h.*\n.*\/paid\/\*.*1 sat.*3 calls/)
  })

  it('that is not there, or a folder, is 78 too', async () => {
    const folder = newFolder()
    for (const args of [['serve'], ['check', '-c', 'other.yaml'], ['check', '-c', '.']]) {
      const { code, err } = await run(folder, args)
      expect(code).toBe(78)
      expect(err).toMatch(/^[^\n]+expected[^\n]+\n$/)
    }
  })
})

describe('a bad key file', () => {
  const good = (id: string, fill: number): string =>
    `${id} 2026-01-31T12:00:00Z ${Buffer.alloc(32, fill).toString('base64')}`
  it.each<[string, string]>([
    ['empty', ''],
    ['too short a key', `a 2026-01-31T12:00:00Z ${Buffer.alloc(16).toString('base64')}\n`],
    ['one id twice', `${good('a', 1)}\n${good('a', 2)}\n`],
    ['bytes', '\0\x01\x02\xff'],
  ])('%s: 78, names the file, and shows no key', async (_, text) => {
    const folder = folderWith(configOf())
    writeFileSync(join(folder, 'turnpike.key'), text)
    const { code, out, err } = await run(folder, ['serve'])
    expect([code, out]).toEqual([78, ''])
    expect(err).toMatch(/turnpike\.key.*expected/)
    for (const word of text.split(/\s+/)) if (word.length > 30) expect(err).not.toContain(word.slice(0, 16))
    expect(existsSync(join(folder, 'turnpike.db'))).toBe(false)
  })

  it.each([0o640, 0o606])('that others may read (%o) is 78 and says what to do', async (mode) => {
    const folder = folderWith(configOf())
    chmodSync(join(folder, 'turnpike.key'), mode)
    const { code, err } = await run(folder, ['serve'])
    expect(code).toBe(78)
    expect(err).toMatch(/chmod 600 \S*turnpike\.key/)
  })

  it('that is a folder or a pipe, or not there, is 78', async () => {
    for (const make of [
      (file: string) => mkdirSync(file, { mode: 0o700 }),
      (file: string) => void execFileSync('mkfifo', ['-m', '600', file]),
      () => {},
    ]) {
      const folder = folderWith(configOf({ top: 'keys: { file: my.key }' }))
      make(join(folder, 'my.key'))
      const { code, err } = await run(folder, ['serve'])
      expect(code).toBe(78)
      expect(err).toContain('my.key')
    }
  })

  it('with another key makes what was sold before worthless, and nothing else', async () => {
    const folder = folderWith(configOf())
    const before = await serve(folder)
    const { authorization } = await buy(before, '/pass/x')
    await before.stop()
    writeFileSync(join(folder, 'turnpike.key'), `${good('b', 3)}\n`)
    const after = await serve(folder)
    const refused = await ask(after.url, 'GET', '/pass/x', { headers: { Authorization: authorization } })
    expect([refused.status, JSON.parse(refused.body).code]).toEqual([402, 'bad_signature'])
  })
})

describe('a bad ledger', () => {
  /** A folder with a ledger of our own. */
  const ledgerIn = async (): Promise<string> => {
    const folder = folderWith(configOf())
    await sqliteStore({ file: join(folder, 'turnpike.db') }).close()
    return folder
  }

  it.each<[string, (file: string) => void, RegExp]>([
    ['other bytes', (file) => writeFileSync(file, 'x'.repeat(10_000)), /turnpike\.db is not a ledger/],
    [
      'a head of other bytes',
      (file) => writeFileSync(file, 'garbage!', { flag: 'r+' }),
      /turnpike\.db is not a ledger/,
    ],
    [
      'a newer version',
      (file) => sql(file, 'PRAGMA user_version = 99'),
      /version 99, this program knows up to \d/,
    ],
    ['of another program', (file) => sql(file, 'PRAGMA application_id = 1'), /another program/],
    ['cut off', (file) => truncateSync(file, 5_000), /turnpike\.db/],
  ])('%s: 69, names the file, and leaves it as it is', async (_, spoil, message) => {
    const folder = await ledgerIn()
    const file = join(folder, 'turnpike.db')
    spoil(file)
    const before = readFileSync(file)
    const { code, out, err } = await run(folder, ['serve'])
    expect([code, out]).toEqual([69, ''])
    expect(err).toMatch(message)
    expect(err.trimEnd()).not.toContain('\n')
    expect(readFileSync(file)).toEqual(before)
  })

  it('that is a folder, or in no folder, is 69', async () => {
    const folder = folderWith(configOf())
    mkdirSync(join(folder, 'turnpike.db'))
    expect((await run(folder, ['serve'])).code).toBe(69)
    const { code, err } = await run(folderWith(configOf({ store: 'sqlite:no/such/x.db' })), ['serve'])
    expect(code).toBe(69)
    expect(err).toContain('no/such')
  })

  it('a copy of a good one opens, with what was used', async () => {
    const folder = folderWith(configOf())
    const first = await serve(folder)
    const { authorization } = await buy(first, '/paid/x')
    const use = async (url: string): Promise<string> =>
      (await ask(url, 'GET', '/paid/x', { headers: { Authorization: authorization } })).header('ratelimit')
    expect(await use(first.url)).toBe('"calls";r=2')
    await first.stop()
    expect(readdirSync(folder).filter((name) => name.startsWith('turnpike.db'))).toEqual(['turnpike.db'])
    expect(statSync(join(folder, 'turnpike.db')).mode & 0o777).toBe(0o600)
    const other = folderWith(configOf())
    copyFileSync(join(folder, 'turnpike.db'), join(other, 'turnpike.db'))
    expect(await use((await serve(other)).url)).toBe('"calls";r=1')
  })
})

function sql(file: string, text: string): void {
  const db = new DatabaseSync(file)
  db.exec(text)
  db.close()
}

describe('starting', () => {
  it('on a port that is taken is 1, and names it; nothing is left behind', async () => {
    const running = await start()
    const folder = folderWith(configOf().replace('listen: 127.0.0.1:0', `listen: 127.0.0.1:${running.port}`))
    const { code, err } = await run(folder, ['serve', '--ready-file', 'ready.json'])
    expect(code).toBe(1)
    expect(err).toContain(`127.0.0.1:${running.port}`)
    expect(readdirSync(folder).sort()).toEqual(['turnpike.db', 'turnpike.key', 'turnpike.yaml'])
    const admin = folderWith(
      configOf().replace('admin: { listen: 127.0.0.1:0', `admin: { listen: ${new URL(running.admin).host}`),
    )
    expect((await run(admin, ['serve'])).code).toBe(1)
  })

  it('with play money in production is 78', async () => {
    const folder = folderWith(configOf())
    for (const args of [['serve'], ['serve', '--sandbox']]) {
      const { code, err } = await run(folder, args, { env: { NODE_ENV: 'production' } })
      expect(code).toBe(78)
      expect(err).toContain('play money')
    }
  })

  it('the ready file says where, is whole when it appears, and is gone at the end', async () => {
    const gateway = await start({ top: '' })
    expect(JSON.parse(readFileSync(gateway.readyFile, 'utf8'))).toEqual({
      listen: [gateway.url],
      admin: gateway.admin,
    })
    expect(gateway.url).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d*$/)
    expect((await gateway.stop()).code).toBe(0)
    expect(existsSync(gateway.readyFile)).toBe(false)
    const folder = folderWith(configOf())
    writeFileSync(join(folder, 'plain'), '')
    const { code, err } = await run(folder, ['serve', '--ready-file', 'plain/ready.json'])
    expect(code).toBe(1)
    expect(err).toContain('plain/ready.json')
  })

  it('several addresses are all served', async () => {
    const text = configOf().replace('listen: 127.0.0.1:0', 'listen: [127.0.0.1:0, "[::1]:0"]')
    const gateway = await serve(folderWith(text))
    const { listen } = JSON.parse(readFileSync(gateway.readyFile, 'utf8'))
    expect(listen).toHaveLength(2)
    for (const url of listen) expect((await fetch(`${url}/free/x`)).status).toBe(404)
  })

  it.each<[string[], RegExp]>([
    [[], /Usage: turnpike/],
    [['serve', '--sandbax'], /Did you mean --sandbox/],
    [['serve', '--config'], /needs a value/],
    [['init', 'here'], /unexpected argument "here"/],
  ])('%j is wrong usage: 64', async (args, message) => {
    const folder = newFolder()
    const { code, out, err } = await run(folder, args)
    expect([code, out]).toEqual([64, ''])
    expect(err).toMatch(message)
    expect(readdirSync(folder)).toEqual([])
  })

  it('the way of a new user: init, check, serve; nothing is written over', async () => {
    const folder = newFolder()
    const made = await run(folder, ['init'])
    expect(made.code).toBe(0)
    expect(statSync(join(folder, 'turnpike.key')).mode & 0o777).toBe(0o600)
    const before = ['turnpike.yaml', 'turnpike.key'].map((name) => readFileSync(join(folder, name), 'utf8'))
    expect((await run(folder, ['init'])).code).toBe(1)
    expect(['turnpike.yaml', 'turnpike.key'].map((name) => readFileSync(join(folder, name), 'utf8'))).toEqual(
      before,
    )
    const added = await run(folder, ['keys', 'new'])
    expect([added.code, added.out]).toEqual([0, expect.stringMatching(/^[0-9a-f]{12}\n$/)])
    const keys = readFileSync(join(folder, 'turnpike.key'), 'utf8')
    expect(keys.startsWith(before[1] ?? '?')).toBe(true)
    expect((await run(folder, ['check'])).code).toBe(0)
    const text = readFileSync(join(folder, 'turnpike.yaml'), 'utf8').replaceAll(
      /127\.0\.0\.1:840[23]/g,
      '127.0.0.1:0',
    )
    writeFileSync(join(folder, 'turnpike.yaml'), text)
    const gateway = await serve(folder)
    expect((await ask(gateway.url, 'GET', '/health')).status).toBe(200)
    const { authorization } = await buy(gateway, '/forecast/lisbon')
    const answer = await ask(gateway.url, 'GET', '/forecast/lisbon', {
      headers: { Authorization: authorization },
    })
    expect(JSON.parse(answer.body)).toMatchObject({ city: 'lisbon' })
    const { out, err } = await gateway.stop()
    for (const secret of keys.match(/[A-Za-z0-9+/]{43}=/g) ?? [])
      expect(out + err + added.err).not.toContain(secret)
  })
})
