import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { RE2JS } from 're2js'
import { describe, expect, it } from 'vitest'
import { temporaryFolder, turnpike } from '../../test/test-io.ts'
import { wholeText } from './expressions.ts'
import { goDuration } from './go-values.ts'
import { APERTURE_KEYS } from './keys.ts'
import { translateAperture } from './translate.ts'

const there = (): boolean => true
const translate = (text: string) =>
  translateAperture(text, {
    file: 'aperture.yaml',
    folder: '/etc/aperture',
    env: { HOME: '/home/op' },
    exists: there,
  })
const base = (more = '', service = ''): string => `listenaddr: "127.0.0.1:8081"
insecure: true
dbbackend: sqlite
authenticator: { network: regtest, lndhost: "127.0.0.1:10009", tlspath: tls.cert, macdir: macs }
${more}
services:
  - name: one
    address: "127.0.0.1:9000"
${service}
`
const faults = (text: string): string => {
  try {
    translate(text)
  } catch (error) {
    return error instanceof Error ? error.message : ''
  }
  return ''
}

describe('every key of aperture.yaml', () => {
  /** A value of each key, and what of the translation shows that it was carried. */
  const SHOWN: Readonly<
    Record<string, readonly [value: unknown, shown: string, more?: Record<string, unknown>]>
  > = {
    listenaddr: ['127.0.0.9:8099', 'listen: "127.0.0.9:8099"'],
    insecure: [true, 'h2c'],
    autocert: [true, 'listen: "127.0.0.1:8081"', { insecure: false }],
    staticroot: ['/srv/www', 'static: "/srv/www"', { servestatic: true, 'services[].pathregexp': '^/a' }],
    servestatic: [true, '  static:', { staticroot: '/srv', 'services[].pathregexp': '^/a' }],
    debuglevel: ['warn', 'log: { level: warn }'],
    basedir: ['/var/ap', 'sqlite:/var/ap/aperture.db', { dbbackend: 'sqlite' }],
    writetimeout: ['1m1s', 'timeout: 61s'],
    blocklist: [['192.0.2.1', '2001:db8::1'], 'block: ["192.0.2.1/32", "2001:db8::1/128"]'],
    dbbackend: ['postgres', 'keys: { aperture: "postgres://'],
    'sqlite.databasefilename': ['~/x.db', 'sqlite:/home/op/x.db', { dbbackend: 'sqlite' }],
    'postgres.host': ['db.test', '@db.test:5432/', { dbbackend: 'postgres' }],
    'postgres.port': [5433, ':5433/', { dbbackend: 'postgres' }],
    'postgres.user': ['me', '//me:', { dbbackend: 'postgres' }],
    'postgres.password': ['p@ss', ':p%40ss@', { dbbackend: 'postgres' }],
    'postgres.dbname': ['ap', '/ap"', { dbbackend: 'postgres' }],
    'postgres.requiressl': [true, '?sslmode=require', { dbbackend: 'postgres' }],
    'authenticator.network': ['signet', 'network: signet'],
    'authenticator.lndhost': ['lnd.test:10009', 'url: "https://lnd.test:8080"'],
    'authenticator.tlspath': [
      '/l/tls.cert',
      'tlsCertFile: "/l/tls.cert"',
      { 'authenticator.lndhost': 'x:1' },
    ],
    'authenticator.macdir': [
      '/l/m',
      'macaroonFile: "/l/m/invoice.macaroon"',
      { 'authenticator.lndhost': 'x:1' },
    ],
    'prometheus.enabled': [true, 'admin: { listen: "127.0.0.1:9099" }', { 'prometheus.listenaddr': ':9099' }],
    'prometheus.listenaddr': [
      '127.0.0.1:9098',
      'admin: { listen: "127.0.0.1:9098" }',
      { 'prometheus.enabled': true },
    ],
    'services[].name': ['two', '  two:'],
    'services[].hostregexp': ['^api[.]test$', 'hosts: "~api[.]test"'],
    'services[].pathregexp': ['^/a', 'match: "~/a.*"'],
    'services[].address': ['127.0.0.1:9009', 'upstream: "http://127.0.0.1:9009"'],
    'services[].protocol': ['https', 'upstream: "https://127.0.0.1:9000"'],
    'services[].auth': ['freebie 7', 'freebie: 7/366d'],
    'services[].tlscertpath': [
      '/c.pem',
      'upstreamTls: { caFile: "/c.pem" }',
      { 'services[].protocol': 'https' },
    ],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is what the file says
    'services[].headers': [{ 'X-Key': '${KEY}' }, 'X-Key: "${KEY}"'],
    'services[].rewrite.prefix': ['/api', 'rewrite: { prefix: "/api" }'],
    'services[].timeout': [60, 'grants: { valid: 60s }'],
    'services[].capabilities': ['a,b', 'capabilities: ["a", "b"]'],
    'services[].constraints': [{ volume: 3 }, 'caveats: { volume: "3" }'],
    'services[].price': [0, 'price: 1 sat'],
    'services[].authwhitelistpaths': [['^/w$'], '{ match: "~/w", free: true'],
    'services[].authskipinvoicecreationpaths': [['^/s$'], 'skipInvoice: true'],
    'services[].ratelimits[].pathregexp': [
      '^/r',
      '{ match: "~/r.*", requests: 5/1s',
      { 'services[].ratelimits[].requests': 5, 'services[].ratelimits[].per': '1s' },
    ],
    'services[].ratelimits[].requests': [
      6,
      'requests: 6/1s, burst: 6',
      { 'services[].ratelimits[].per': '1s' },
    ],
    'services[].ratelimits[].per': [
      '500ms',
      'requests: 4/1s, burst: 2',
      { 'services[].ratelimits[].requests': 2 },
    ],
    'services[].ratelimits[].burst': [
      9,
      'burst: 9',
      { 'services[].ratelimits[].requests': 2, 'services[].ratelimits[].per': '1s' },
    ],
    'services[].dynamicprice.enabled': [
      true,
      'grpc: "127.0.0.1:1"',
      { 'services[].dynamicprice.grpcaddress': '127.0.0.1:1' },
    ],
    'services[].dynamicprice.grpcaddress': [
      '127.0.0.1:2',
      'grpc: "127.0.0.1:2"',
      { 'services[].dynamicprice.enabled': true },
    ],
    'services[].dynamicprice.insecure': [
      true,
      '{ grpc: "127.0.0.1:2", zeroIsFree',
      { 'services[].dynamicprice.enabled': true, 'services[].dynamicprice.grpcaddress': '127.0.0.1:2' },
    ],
    'services[].dynamicprice.tlscertpath': [
      '/p.pem',
      'tls: { caFile: "/p.pem" }',
      { 'services[].dynamicprice.enabled': true, 'services[].dynamicprice.grpcaddress': '127.0.0.1:2' },
    ],
    'services[].dynamicprice.metered': [
      true,
      'metered: true',
      { 'services[].dynamicprice.enabled': true, 'services[].dynamicprice.grpcaddress': '127.0.0.1:2' },
    ],
    'services[].dynamicprice.usagetailbytes': [
      99,
      'usageTail: "99 B"',
      {
        'services[].dynamicprice.metered': true,
        'services[].dynamicprice.enabled': true,
        'services[].dynamicprice.grpcaddress': '127.0.0.1:2',
      },
    ],
  }
  const SAID: Readonly<Record<string, unknown>> = {
    text: 'x',
    flag: true,
    whole: 5,
    duration: '5s',
    texts: ['x'],
    any: { style: 'on' },
  }

  /** A configuration with these keys set. */
  function config(keys: Readonly<Record<string, unknown>>): string {
    const top: Record<string, unknown> = {
      listenaddr: '127.0.0.1:8081',
      insecure: true,
      services: [{ name: 'one', address: '127.0.0.1:9000' }],
    }
    for (const [key, value] of Object.entries(keys)) {
      let at: Record<string, unknown> = top
      const parts = key.split('.')
      for (const part of parts.slice(0, -1)) {
        const list = part.endsWith('[]')
        const name = part.replace('[]', '')
        const found = (at[name] ?? (list ? [{}] : {})) as Record<string, unknown> | Record<string, unknown>[]
        at[name] = found
        at = Array.isArray(found) ? (found[0] ?? {}) : found
      }
      at[parts.at(-1) ?? ''] = value
    }
    return JSON.stringify(top)
  }

  it.each(
    APERTURE_KEYS.flatMap((entry) =>
      [entry.key, ...(entry.documented === undefined ? [] : [entry.documented])].map(
        (key) => [key, entry] as const,
      ),
    ),
  )('%s is carried, or named with the reason', (key, entry) => {
    const shown = SHOWN[entry.key]
    const { text, notes } = translate(config({ ...shown?.[2], [key]: shown?.[0] ?? SAID[entry.kind] }))
    const told = notes.filter(({ message }) =>
      message.startsWith(`${key.replace('[]', '[0]').replace('[]', '[0]')}: `),
    )
    expect(entry.becomes === '').toBe(shown === undefined)
    if (shown !== undefined) expect(text).toContain(shown[1])
    if (entry.why !== undefined) expect(told.map(({ message }) => message).join('\n')).toContain(entry.why)
    if (entry.documented === key)
      expect(told.map(({ message }) => message).join('\n')).toContain(`Aperture reads "${entry.key}" only`)
    // What is told stands in the file, too.
    for (const { message } of told) expect(text.replaceAll('\n# ', ' ')).toContain(message)
  })

  it('that is none is named, with the nearest one', () => {
    const { notes } = translate(base('servstatic: true'))
    expect(notes.map(({ message }) => message)).toContain(
      'servstatic: not a key of Aperture’s, which ignores it (did you mean "servestatic"?)',
    )
  })
})

describe('a translation', () => {
  it('is a configuration that turnpike check accepts', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'ca.pem'), '')
    mkdirSync(join(folder, 'www'))
    writeFileSync(join(folder, 'mac'), Buffer.from([1, 2]))
    writeFileSync(
      join(folder, 'aperture.yaml'),
      `${base(
        'blocklist: [192.0.2.1]\nservestatic: true\nstaticroot: www',
        `    hostregexp: '^(a|b)\\.test$'
    pathregexp: '^/(x|y)/'
    authwhitelistpaths: ['^/x/free$', '/open']
    authskipinvoicecreationpaths: ['^/y/skip']
    capabilities: read
    constraints: { volume: 3 }
    timeout: 60
    headers: { X-Key: "\${KEY} $5", X-Mac: "!file+hex:mac" }
    rewrite: { prefix: /api }
    ratelimits: [{ pathregexp: '^/x', requests: 10, per: 1500ms }]
  - { name: dynamic, pathregexp: ^/d, address: "127.0.0.1:9001", dynamicprice: { enabled: true, grpcaddress: "127.0.0.1:1", insecure: true } }
  - { name: metered, pathregexp: ^/m, address: "127.0.0.1:9001", dynamicprice: { enabled: true, metered: true, grpcaddress: "127.0.0.1:1" } }
  - { name: open, pathregexp: ^/o, address: "127.0.0.1:9001", protocol: https, auth: off }
  - { name: tried, pathregexp: ^/t, address: "127.0.0.1:9001", auth: freebie 5 }
`,
      )}`,
    )
    const imported = await turnpike(folder, ['import', 'aperture.yaml', '-o', 'turnpike.yaml'])
    expect(imported.code).toBe(0)
    const again = await turnpike(folder, ['import', 'aperture.yaml', '-o', 'turnpike.yaml'])
    expect([again.code, again.err.includes('turnpike.yaml is already there; nothing was written.')]).toEqual([
      1,
      true,
    ])
    const checked = await turnpike(folder, ['check', '--sandbox'], { KEY: 'k' })
    expect(checked.err).not.toContain('expected')
    expect(checked.code).toBe(0)
    expect(checked.out).toContain('requests get X-Key, X-Mac')
    const unset = await turnpike(folder, ['check', '--sandbox'])
    expect([unset.code, unset.err.includes('the environment variable KEY is not set')]).toEqual([78, true])
  })

  it('keeps paths of the lists within those of the service, and hosts as they came', () => {
    const { text } = translate(
      base('', "    pathregexp: '^/a/.*$'\n    hostregexp: 'x.test'\n    authwhitelistpaths: ['/free$']"),
    )
    expect(text).toContain('hosts: "~.*x.test.*"')
    expect(text).toContain('{ match: "~/a/.* &~.*/free", free: true')
  })

  it('leaves out what is never reached', () => {
    const { text, notes } = translate(
      base('', "    authwhitelistpaths: ['^/a$', '^/a$']\n  - { name: two, address: '127.0.0.1:1' }"),
    )
    expect(text.match(/~\/a"/g)).toHaveLength(1)
    expect(notes.map(({ message }) => message)).toContain(
      'services[0].authwhitelistpaths[1]: not carried: another one before it takes the same paths',
    )
    expect(text).not.toContain('  two:')
  })

  it('has no static files where a service takes every path', () => {
    const { text, notes } = translate(base('servestatic: true\nstaticroot: /srv'))
    expect(text).not.toContain('  static:')
    expect(notes.map(({ message }) => message)).toContain(
      'servestatic: not carried: a service takes every path',
    )
  })

  it('of a service without TLS never speaks plain text to the world where Aperture speaks TLS', () => {
    expect(translate(base().replace('insecure: true', '')).text).toContain(
      'tls: { certFile: "/home/op/.aperture/tls.cert"',
    )
    expect(
      translate(base().replace('insecure: true', 'autocert: true').replace('127.0.0.1:8081', ':443')).text,
    ).toContain('listen: "127.0.0.1:443"')
  })
})

describe('what is wrong', () => {
  it.each([
    [
      'auth: yes',
      'aperture.yaml:9:11: services[0].auth: not a word that opens or closes a service, expected on, off, true, false or "freebie N"',
    ],
    ['auth: freebie -5', 'services[0].auth: not a word'],
    ['auth: freebie', 'services[0].auth: not a word'],
    ['auth: oof', 'services[0].auth: not a word'],
    ["pathregexp: '^/(a'", 'services[0].pathregexp: not an RE2 expression that can be used'],
    ["pathregexp: '(?=x)'", 'services[0].pathregexp: not an RE2 expression that can be used'],
    ["authwhitelistpaths: ['(']", 'services[0].authwhitelistpaths: not an RE2 expression that can be used'],
    ['price: -1', 'services[0].price: expected satoshis from 0'],
    ['price: 1.5', 'services[0].price: expected a whole number'],
    ['timeout: -1', 'services[0].timeout: expected seconds from 0'],
    ['protocol: ftp', 'services[0].protocol: expected http or https'],
    ['rewrite: { prefix: api }', 'services[0].rewrite.prefix: invalid prefix format'],
    ['rewrite: { prefix: "http://x/api" }', 'services[0].rewrite.prefix: invalid prefix format'],
    ['rewrite: { prefix: "/api?x" }', 'services[0].rewrite.prefix: invalid prefix format'],
    ['rewrite: { prefix: "/api#x" }', 'services[0].rewrite.prefix: invalid prefix format'],
    ['headers: { A: "!file+rot13:x" }', 'services[0].headers.A: not a value out of a file'],
    [
      'ratelimits: [{ requests: 0, per: 1s }]',
      'services[0].ratelimits[0].requests: expected a whole number above 0',
    ],
    ['ratelimits: [{ requests: 1, per: 1 }]', 'services[0].ratelimits[0].per: not a duration'],
    ['dynamicprice: { metered: true }', 'services[0].dynamicprice.metered: is for a dynamic price'],
    ['dynamicprice: { enabled: true }', 'services[0].dynamicprice.grpcaddress: expected host:port'],
  ])('%s', (line, told) => {
    expect(faults(base('', `    ${line}`))).toContain(told)
  })

  it('is told all at once, and nothing is written', async () => {
    const folder = temporaryFolder()
    writeFileSync(
      join(folder, 'a.yaml'),
      base('dbbackend: redis', '    auth: maybe\n    price: x').replace('dbbackend: sqlite\n', ''),
    )
    const { code, out, err } = await turnpike(folder, ['import', 'a.yaml'])
    expect([code, out]).toEqual([78, ''])
    expect(err).toMatch(
      /a\.yaml:\d+:\d+: services\[0\]\.auth: .*\n.*services\[0\]\.price: expected a whole number/,
    )
  })
})

describe('expressions of a part of the text, as ones of the whole', () => {
  const TEXTS = [
    '/',
    '/a',
    '/a/',
    '/a/b',
    '/b',
    '/ab',
    '/x/a/b$',
    '/a b',
    '/free',
    '/free/x',
    '/A',
    '/a\\',
    'a.test:80',
    'b.test',
    '/a|b',
    '/*',
    '/Q(',
    '',
  ]
  it.each([
    '^/a$',
    '^/a',
    '/a$',
    'a',
    '',
    '^',
    '$',
    '^$',
    '.*',
    '^/.*$',
    '^/(a|b)$',
    '^/a|b$',
    '^(/a|/b)',
    '(?i)^/A$',
    '/a\\$',
    '\\$$',
    '\\\\$',
    '/\\Q(',
    '^*a',
    '[$a]',
    '[^$]',
    'a b',
    'a\\ b',
    '^/a(?:/.*)?$',
    '(?m)^/a$',
    '(?s).',
    '^/a\\\\$',
    '\\z',
    '^/[^a]',
  ])('%s', (source) => {
    const [theirs, ours] = [RE2JS.compile(source), RE2JS.compile(wholeText(source))]
    // Paths come without raw spaces, and so do expressions.
    for (const text of TEXTS) expect([text, ours.testExact(text)]).toEqual([text, theirs.test(text)])
    expect(wholeText(source)).not.toContain(' ')
  })
})

it('durations of Go', () => {
  expect(['1m30s', '1.5s', '500ms', '0', '-1s', '2h45m', '1us', '5', '1 s', 's', ''].map(goDuration)).toEqual(
    [9e10, 1.5e9, 5e8, 0, -1e9, 9.9e12, 1000, undefined, undefined, undefined, undefined],
  )
})
