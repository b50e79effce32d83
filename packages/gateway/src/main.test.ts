import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryFolder, turnpike } from '../test/test-io.ts'

const simple = `lightning: sandbox
services:
  a: { upstream: sample, routes: [{ match: "GET /x/*", price: 1 sat }, { match: "GET /x/y", price: 2 sat }, { match: /z, price: 1500 msat, grants: { calls: 3, valid: 90s } }] }
`

describe('the command line', () => {
  it('shows help with examples for itself and for every command', async () => {
    const overview = await turnpike('/', ['--help'])
    expect(overview).toMatchObject({ code: 0, err: '' })
    for (const command of ['serve', 'init', 'check', 'keys', 'tokens', 'payments', 'stats', 'reload']) {
      expect(overview.out).toContain(command)
      for (const args of [
        [command, '--help'],
        [command, '-h'],
        ['help', command],
      ]) {
        const { code, out } = await turnpike('/', args)
        expect(code).toBe(0)
        expect(out).toMatch(/^turnpike /)
        expect(out).toMatch(/Examples?:\n {2}turnpike /)
      }
    }
  })

  it('says its version', async () => {
    expect(await turnpike('/', ['--version'])).toEqual({ code: 0, out: '0.1.0\n', err: '' })
  })

  it.each([
    [[], /Usage: turnpike COMMAND/],
    [['sevre'], /unknown command "sevre"\. Did you mean "serve"\?/],
    [['zzz'], /unknown command "zzz"\. Run "turnpike --help"/],
    [['--halp'], /unknown flag "--halp"\. Did you mean "--help"\?/],
    [['constructor'], /unknown command "constructor"/],
    [['check', '--confg', 'x'], /turnpike check: unknown flag --confg\. Did you mean --config\?/],
    [['serve', '-x'], /turnpike serve: unknown flag -x\. Run/],
    [['check', '-c'], /--config needs a value/],
    [['check', '--config='], /--config needs a value/],
    [['serve', '--sandbox=yes'], /--sandbox takes no value/],
    [['check', 'my.yaml'], /unexpected argument "my\.yaml"/],
    [['keys'], /expected one of new, list, rotate, retire/],
    [['keys', 'nwe'], /unknown command "nwe".*Did you mean "new"\?/],
    [['keys', 'retire'], /expected the id of a key/],
    [['keys', 'list', 'x'], /unexpected argument "x"/],
    [['tokens'], /expected one of list, show, revoke, refund/],
    [['tokens', 'list', 'x'], /unexpected argument "x"/],
    [['tokens', 'revoke', 'abc'], /64 hex digits/],
  ])('refuses %j with exit code 64 and a hint', async (args, hint) => {
    const { code, out, err } = await turnpike('/', args)
    expect(code).toBe(64)
    expect(out).toBe('')
    expect(err).toMatch(hint)
  })
})

describe('turnpike init', () => {
  it('writes a configuration that check accepts, and a key file for its owner alone', async () => {
    const folder = temporaryFolder()
    const made = await turnpike(folder, ['init'])
    expect(made).toMatchObject({ code: 0, err: '' })
    expect(made.out).toContain('Wrote turnpike.yaml and turnpike.key')
    expect(statSync(join(folder, 'turnpike.key')).mode & 0o777).toBe(0o600)
    const checked = await turnpike(folder, ['check'])
    expect(checked).toMatchObject({ code: 0, err: '' })
    expect(checked.out).toContain('turnpike.yaml is valid.')
  })

  it('explains every key that a configuration can have', async () => {
    const folder = temporaryFolder()
    await turnpike(folder, ['init'])
    const text = readFileSync(join(folder, 'turnpike.yaml'), 'utf8')
    const keys = `listen network lightning backend store keys file env services challenges limit exempt invoiceExpiry admin
      tokenFile drainTimeout log level requests upstream tier hosts unknownCaveats timeout forwardCredential routes match
      free price grants calls valid credit charge conditions estimate whenEmpty idempotency keep maxAnswer
      trustedProxies aperture anyCapability capability allowEncodedSlash keepOverrideHeaders memo`
    for (const key of keys.split(/\s+/)) expect(text).toMatch(new RegExp(`\\b${key}\\b`))
  })

  it.each(['turnpike.yaml', 'turnpike.key'])(
    'never writes over %s, and then writes nothing',
    async (name) => {
      const folder = temporaryFolder()
      writeFileSync(join(folder, name), 'mine')
      const { code, err } = await turnpike(folder, ['init'])
      expect(code).toBe(1)
      expect(err).toBe(`${name} is already there; nothing was written.\n`)
      expect(readFileSync(join(folder, name), 'utf8')).toBe('mine')
      expect(existsSync(join(folder, name === 'turnpike.key' ? 'turnpike.yaml' : 'turnpike.key'))).toBe(false)
    },
  )

  it('says so where it cannot write', async () => {
    const { code, err } = await turnpike(temporaryFolder(), ['init', '-c', 'nowhere/turnpike.yaml'])
    expect(code).toBe(1)
    expect(err).toMatch(/cannot be written to \(ENOENT\)/)
  })
})

describe('turnpike check', () => {
  it('prints the routes in the order they match, and warns of those never reached', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'turnpike.yaml'), simple)
    await turnpike(folder, ['keys', 'new'])
    const { code, out, err } = await turnpike(folder, ['check'])
    expect(code).toBe(0)
    expect(out.replace(/ +/g, ' ')).toContain(
      ` SERVICE MATCH PRICE BUYS CAPABILITY
 a GET /x/* 1 sat 1 call GET /x/*
 a GET /x/y 2 sat 1 call GET /x/y
 a /z 1500 msat 3 calls within 90s /z
(anything else is 404)`,
    )
    expect(err).toBe(
      'turnpike.yaml:3:81: warning: "GET /x/y" is never reached: "GET /x/*" (line 3) matches all of it first\n',
    )
  })

  it('tells a fault as FILE:LINE:COL, exit code 78', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'bad.yaml'), simple.replace('2 sat', '2'))
    const { code, out, err } = await turnpike(folder, ['check', '-c', 'bad.yaml'])
    expect({ code, out }).toEqual({ code: 78, out: '' })
    expect(err).toMatch(/^bad\.yaml:3:\d+: services\.a\.routes\[1\]\.price: 2 has no unit, expected .*\n$/)
  })

  it('says what is missing where there is no configuration', async () => {
    const { code, err } = await turnpike(temporaryFolder(), ['check'])
    expect(code).toBe(78)
    expect(err).toMatch(/^turnpike\.yaml: no such file.*turnpike init/)
  })

  it('refuses bytes that are no text', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'turnpike.yaml'), new Uint8Array([0xff, 0xfe, 0x00]))
    const { code, err } = await turnpike(folder, ['check'])
    expect(code).toBe(78)
    expect(err).toBe('turnpike.yaml:1:1: not UTF-8, expected YAML text\n')
  })

  it('refuses a key file that others may read, and says how to mend it', async () => {
    const folder = temporaryFolder()
    await turnpike(folder, ['init'])
    chmodSync(join(folder, 'turnpike.key'), 0o644)
    const { code, err } = await turnpike(folder, ['check'])
    expect(code).toBe(78)
    expect(err).toContain(`(mode 0644), expected 0600. Run: chmod 600 ${join(folder, 'turnpike.key')}`)
    chmodSync(join(folder, 'turnpike.key'), 0o600)
    expect((await turnpike(folder, ['check'])).code).toBe(0)
  })
})

describe('turnpike keys new', () => {
  it('makes a key file, then adds to it; what stood there stays', async () => {
    const folder = temporaryFolder()
    const file = join(folder, 'turnpike.key')
    const first = await turnpike(folder, ['keys', 'new'])
    expect(first).toMatchObject({ code: 0, out: expect.stringMatching(/^[0-9a-f]{12}\n$/) })
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const before = readFileSync(file, 'utf8')
    const second = await turnpike(folder, ['keys', 'new'])
    expect(second).toMatchObject({ code: 0, out: expect.stringMatching(/^[0-9a-f]{12}\n$/) })
    const after = readFileSync(file, 'utf8')
    expect(after.startsWith(before)).toBe(true)
    const secrets = after.match(/[A-Za-z0-9+/]{43}=/g) ?? []
    expect(new Set(secrets).size).toBe(2)
    for (const secret of secrets)
      expect(first.out + first.err + second.out + second.err).not.toContain(secret)
  })

  it('adds to the file that the configuration names', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'my.yaml'), `keys: { file: my.key }\n${simple}`)
    expect((await turnpike(folder, ['keys', 'new', '-c', 'my.yaml'])).code).toBe(0)
    expect(existsSync(join(folder, 'my.key'))).toBe(true)
  })

  it('leaves a damaged key file alone', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'turnpike.key'), 'what is this', { mode: 0o600 })
    const { code, err } = await turnpike(folder, ['keys', 'new'])
    expect(code).toBe(78)
    expect(err).toMatch(/turnpike\.key:1:1: .*expected "<id> <created>/)
    expect(readFileSync(join(folder, 'turnpike.key'), 'utf8')).toBe('what is this')
  })

  it('says so where the keys come from the environment', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'turnpike.yaml'), `keys: { env: MY_KEY }\n${simple}`)
    const { code, err } = await turnpike(folder, ['keys', 'new'])
    expect(code).toBe(1)
    expect(err).toMatch(/come from the environment \(MY_KEY\)/)
  })
})
