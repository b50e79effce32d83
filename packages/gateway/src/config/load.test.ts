// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the file's own variables are the subject
import { describe, expect, it } from 'vitest'
import { faultsOf, route, top, where } from './load.test-suite.ts'
import { parseConfig } from './load.ts'

const full = `listen: ["127.0.0.1:8402", "[::1]:0"]
network: regtest
lightning: { backend: sandbox }
store: sqlite:data/books.db
keys: { file: [a.key, /srv/b.key], env: TURNPIKE_KEY }
challenges: { limit: 10/30s, exempt: [10.0.0.0/8], invoiceExpiry: 5m }
admin: { listen: "127.0.0.1:0", tokenFile: admin.token }
drainTimeout: 5s
log: { level: warn, requests: all }
services:
  weather:
    upstream: http://127.0.0.1:9000/api/
    tier: 1
    hosts: [API.example.com, "other.example:8402"]
    unknownCaveats: refuse
    timeout: 10s
    forwardCredential: true
    routes:
      - { match: "GET /forecast/*", price: 10 sat, grants: { valid: 1h }, memo: A forecast }
      - { match: "GET,POST /query", price: 1500 msat, grants: { calls: 50 }, timeout: 1m }
      - { match: "~^/v[12]/x{2}$", price: 1 sat, capability: v, allowEncodedSlash: true }
      - { match: /health, free: true }
`

it('says what lightning.strict is to be', () => {
  const text = top('').replace('lightning: sandbox', 'lightning: { backend: sandbox, strict: always }')
  expect(faultsOf(text)).toEqual([
    'turnpike.yaml:2:40: lightning.strict: not true or false, expected true to have the node asked whether an invoice is settled',
  ])
})

describe('a right configuration', () => {
  it.each([
    ['', false],
    ['{ backend: sandbox, strict: false }', false],
    ['{ backend: sandbox, strict: true }', true],
    [
      '[{ backend: phoenixd, url: "http://127.0.0.1:9740", passwordFile: a, strict: true }, { backend: phoenixd, url: "http://127.0.0.1:9741", passwordFile: b }]',
      true,
    ],
  ])('says with lightning.strict that the node is asked: %s', (lightning, strict) => {
    const text = top('').replace('lightning: sandbox', `lightning: ${lightning || 'sandbox'}`)
    const config = parseConfig(text, where)
    expect(config.strict).toBe(strict)
    expect(JSON.stringify(config.lightning)).not.toContain('strict')
  })

  it('comes out with its units resolved and its names absolute', () => {
    const config = parseConfig(full, where)
    expect(config).toMatchObject({
      listen: [
        { host: '127.0.0.1', port: 8402 },
        { host: '::1', port: 0 },
      ],
      network: 'regtest',
      store: { kind: 'sqlite', file: '/etc/turnpike/data/books.db' },
      keys: { files: ['/etc/turnpike/a.key', '/srv/b.key'], env: ['TURNPIKE_KEY'], explicit: true },
      challenges: {
        limit: { count: 10, windowSeconds: 30 },
        exempt: ['10.0.0.0/8'],
        invoiceExpirySeconds: 300,
      },
      admin: { listen: { host: '127.0.0.1', port: 0 }, tokenFile: '/etc/turnpike/admin.token' },
      drainTimeoutMs: 5000,
      log: { level: 'warn', requests: 'all' },
    })
    expect(config.services[0]).toMatchObject({
      name: 'weather',
      upstreams: ['http://127.0.0.1:9000/api'],
      tier: 1,
      hosts: ['api.example.com', 'other.example:8402'],
      unknownCaveats: 'refuse',
      forwardCredential: true,
    })
    expect(config.services[0]?.routes).toMatchObject([
      {
        match: 'GET /forecast/*',
        priceMsat: 10_000n,
        grants: { validSeconds: 3600 },
        timeoutMs: 10_000,
        memo: 'A forecast',
      },
      {
        match: 'GET,POST /query',
        priceMsat: 1500n,
        grants: { calls: 50 },
        timeoutMs: 60_000,
        capability: 'GET%2CPOST /query',
      },
      { capability: 'v', allowEncodedSlash: true, grants: { calls: 1 } },
      { free: true, priceMsat: 0n, grants: {}, position: { line: 22, column: 18 } },
    ])
  })

  it('needs little: everything else has a default', () => {
    const config = parseConfig(route('{ match: /x, price: 1 sat }'), where)
    expect(config).toMatchObject({
      listen: [{ host: '127.0.0.1', port: 8402 }],
      store: { kind: 'sqlite', file: '/etc/turnpike/turnpike.db' },
      keys: { files: ['/etc/turnpike/turnpike.key'], env: [], explicit: false },
      admin: { listen: { host: '127.0.0.1', port: 8403 } },
      challenges: { limit: { count: 60, windowSeconds: 60 }, invoiceExpirySeconds: 600 },
      drainTimeoutMs: 30_000,
    })
    expect(config.challenges.exempt).toEqual(['127.0.0.1/32', '::1/128'])
    expect(parseConfig(top('challenges: { limit: 5/1m }'), where).challenges.exempt).toEqual([])
    expect(parseConfig(top('challenges: { limit: off }'), where).challenges.limit).toBeNull()
  })

  it('takes any lightning section when the sandbox is asked for on the command line', () => {
    const text = route('{ match: /x, price: 1 sat }').replace('sandbox', '{ backend: lnd, url: https://x }')
    expect(faultsOf(text, {}, true)).toEqual([])
    expect(faultsOf(text)).toHaveLength(1)
  })

  it('fills in variables, in aliases too, and leaves an escaped one alone', () => {
    const text = `services:
  a: &a
    upstream: "http://\${HOST}:9000"
    routes: [{ match: /a, price: "\${PRICE} sat", capability: "costs $\${PRICE} $5" }]
lightning: sandbox
`
    const config = parseConfig(text, { ...where, env: { HOST: 'upstream.local', PRICE: '7' } })
    expect(config.services[0]).toMatchObject({
      upstreams: ['http://upstream.local:9000'],
      routes: [{ priceMsat: 7000n, capability: 'costs ${PRICE} $5' }],
    })
  })
})

describe('a wrong configuration is told by file, line and column', () => {
  const cases: [what: string, text: string, ...faults: RegExp[]][] = [
    [
      'a price without a unit',
      route('{ match: /x, price: 10 }'),
      /^turnpike\.yaml:6:29: services\.weather\.routes\[0\]\.price: 10 has no unit, expected an amount such as "10 sat"/,
    ],
    [
      'a price with a wrong unit',
      route('{ match: /x, price: 10 sats2 }'),
      /^turnpike\.yaml:6:29: .*not an amount, expected a number and a unit/,
    ],
    ['a price of nothing', route('{ match: /x, price: 0 sat }'), /:6:29: .*a price of nothing/],
    ['dollars', route('{ match: /x, price: $0.02 }'), /:6:29: .*a price in USD needs a rate/],
    ['a list for a price', route('{ match: /x, price: [1 sat] }'), /:6:29: .*not an amount/],
    [
      'a duration without a unit',
      route('{ match: /x, price: 1 sat, timeout: 30 }'),
      /:6:45: .*30 has no unit, expected a duration such as "30s"/,
    ],
    [
      'a time too long for a timer',
      route('{ match: /x, price: 1 sat, timeout: 30d }'),
      /:6:45: .*at most 24d/,
    ],
    [
      'free and priced',
      route('{ match: /x, price: 1 sat, free: true }'),
      /:6:29: .*a free route with a price/,
    ],
    ['neither free nor priced', route('{ match: /x }'), /:6:9: .*neither a price nor free/],
    [
      'a free route with grants',
      route('{ match: /x, free: true, grants: { calls: 2 } }'),
      /:6:42: .*sells nothing/,
    ],
    [
      'no calls',
      route('{ match: /x, price: 1 sat, grants: { calls: 0 } }'),
      /:6:53: .*this is 0, expected a whole number of calls from 1/,
    ],
    ['half a call', route('{ match: /x, price: 1 sat, grants: { calls: 1.5 } }'), /:6:53: .*this is 1\.5/],
    [
      'calls beyond counting',
      route('{ match: /x, price: 1 sat, grants: { calls: 9007199254740993 } }'),
      /:6:53: .*whole number/,
    ],
    ['empty grants', route('{ match: /x, price: 1 sat, grants: {} }'), /:6:44: .*buys nothing/],
    [
      'an unknown key of a route',
      route('{ match: /x, pirce: 1 sat, free: true }'),
      /:6:22: unknown key "pirce", expected "price"$/,
    ],
    [
      'a match without a slash',
      route('{ match: x, price: 1 sat }'),
      /:6:18: .*match: the path must start with `\/`; expected/,
    ],
    [
      'a method in small letters',
      route('{ match: "get /x", price: 1 sat }'),
      /:6:18: .*the method `get`; expected .* in capitals/,
    ],
    ['a dot segment', route('{ match: "/a/%2e./b", price: 1 sat }'), /:6:18: .*normal form, write `\/b`/],
    ['a star in a segment', route('{ match: "/a*", price: 1 sat }'), /:6:18: .*must be a whole segment/],
    ['a query in a match', route('{ match: "/a?b", price: 1 sat }'), /:6:18: .*a path has no query/],
    [
      'a bad expression',
      route('{ match: "~^/a(", price: 1 sat }'),
      /:6:18: .*not an expression that can be used \(.*\), expected an RE2/,
    ],
    ['an expression RE2 has not', route('{ match: "~(?=a)", price: 1 sat }'), /:6:18: .*not an expression/],
    ['OPTIONS', route('{ match: "OPTIONS /x", price: 1 sat }'), /:6:18: .*OPTIONS is answered by the server/],
    [
      'a match that is too long',
      route(`{ match: "/${'a'.repeat(1100)}", price: 1 sat }`),
      /:6:18: .*longer than 1024/,
    ],
    ['a match that is no text', route('{ match: 7, price: 1 sat }'), /:6:18: .*this is 7, expected a match/],
    [
      'no match',
      route('{ price: 1 sat }'),
      /:6:9: services\.weather\.routes\[0\]: the key "match" is missing/,
    ],
    ['a capability with a comma', route('{ match: /x, price: 1 sat, capability: "a,b" }'), /:6:48: .*comma/],
    [
      'a memo with a name that stands for nothing',
      route('{ match: /x, price: 1 sat, memo: "{query}" }'),
      /:6:42: .*memo: unknown name in braces, expected only \{service\}/,
    ],
    [
      'a memo of a service that stands for nothing',
      route('{ match: /x, price: 1 sat }').replace('    routes', '    memo: "{Path}"\n    routes'),
      /:5:11: services.weather.memo: unknown name/,
    ],
    ['a memo of two lines', route('{ match: /x, price: 1 sat, memo: "a\\nb" }'), /:6:42: .*one line/],
    [
      'the same match twice',
      route('{ match: "GET,PUT /x", price: 1 sat }\n      - { match: "PUT,GET /x", price: 2 sat }'),
      /:7:18: "PUT,GET \/x" stands already at line 6/,
    ],
    [
      'capabilities that meet',
      route('{ match: "/a,b", price: 1 sat }\n      - { match: "/a%2Cb", price: 2 sat }'),
      /:7:18: the capability would be the one of line 6/,
    ],
    [
      'an unknown key at the top',
      top('listn: 127.0.0.1:1'),
      /^turnpike\.yaml:1:1: unknown key "listn", expected "listen"$/,
    ],
    ['a far-off key', top('zzzzzz: 1'), /:1:1: unknown key "zzzzzz", expected one of listen, network, /],
    ['a port alone', top('listen: 8402'), /:1:9: listen.*: not an address, expected host:port/],
    ['a port without a host', top('listen: ":8402"'), /:1:9: .*0\.0\.0\.0:8402/],
    ['a port too high', top('listen: 127.0.0.1:70000'), /:1:9: .*not an address/],
    [
      'an address twice',
      top('listen: [127.0.0.1:1, 127.0.0.1:1]'),
      /:1:23: listen: 127\.0\.0\.1:1 stands there twice/,
    ],
    [
      'admin on the public address',
      top('admin: { listen: 127.0.0.1:8402 }'),
      /:1:18: admin\.listen: 127\.0\.0\.1:8402 is also a public/,
    ],
    [
      'admin under a public wildcard',
      top('listen: 0.0.0.0:8403'),
      /:1:9: admin\.listen: 127\.0\.0\.1:8403 is also a public/,
    ],
    ['a wrong limit', top('challenges: { limit: 60 }'), /:1:22: challenges\.limit: not a limit/],
    [
      'a wrong block',
      top('challenges: { exempt: [10.0.0.0/33] }'),
      /:1:24: challenges\.exempt\[0\]: not a block/,
    ],
    ['an address that is no block', top('challenges: { exempt: [127.0.0.1] }'), /127\.0\.0\.1\/32/],
    ['mainnet', top('network: mainnet'), /:1:10: network: the sandbox is play money/],
    ['an unknown network', top('network: main'), /:1:10: network: this is "main", expected "mainnet" or/],
    [
      'a store that is no URL',
      top('store: postgres://u:hush@h:port/x'),
      /:1:8: store: not a store, expected (?!.*hush)/,
    ],
    ['a Redis without a host', top('store: redis://'), /:1:8: store: the URL of the Redis server is not one/],
    ['no store', top('store: mysql'), /:1:8: store: not a store/],
    ['a store that is no text', top('store: 5'), /:1:8: store: this is 5, expected "memory"/],
    ['keys that name none', top('keys: {}'), /:1:7: keys: names no keys/],
    ['a log level', top('log: { level: loud }'), /:1:15: log\.level: this is "loud"/],
    [
      'two texts for one key',
      top('store: memory\nstore: memory'),
      /:2:1: not YAML that can be read: Map keys must be unique/,
    ],
    ['YAML that ends early', 'services: {', /^turnpike\.yaml:1:12: not YAML/],
    ['tabs', 'services:\n\ta: 1\n', /:2:1: not YAML/],
    [
      'a bare variable in a flow',
      top('log: { level: ${LEVEL} }'),
      /:1:15: a variable within \{ \} or \[ \], expected quotes around it: "\$\{NAME\}"$/,
    ],
    ['a foreign tag', top('store: !!js/function "x"'), /:1:8: not YAML/],
    ['two documents', `${top('store: memory')}---\na: 1\n`, /not YAML/],
    ['an alias of nothing', top('store: *nowhere'), /:1:8: the alias leads nowhere/],
    ['an alias of itself', top('keys: &k { file: *k }'), /:1:18: the alias leads nowhere/],
    ['a key without a name', top('? [a]\n: 1'), /:1:3: not a usable key/],
    ['a key of the language', top('__proto__: 1'), /:1:1: not a usable key/],
    ['an empty file', '# nothing\n', /:1:1: an empty file, expected keys such as/],
    ['a list', '- 1\n', /:1:1: not a table/],
    ['no services', 'lightning: sandbox\n', /:1:1: the key "services" is missing/],
    ['empty services', 'lightning: sandbox\nservices:\n', /:2:10: services: this is empty/],
    ['an empty table of services', 'lightning: sandbox\nservices: {}\n', /:2:11: services: an empty table/],
    [
      'a service name',
      'lightning: sandbox\nservices: { "A:b": { upstream: sample, routes: [{ match: /x, free: true }] } }\n',
      /:2:13: .*"A:b" is not a service name/,
    ],
    [
      'an empty service',
      'lightning: sandbox\nservices: { a: }\n',
      /:2:16: services\.a: this is empty, expected a table with an "upstream"/,
    ],
    [
      'no routes',
      'lightning: sandbox\nservices: { a: { upstream: sample, routes: [] } }\n',
      /:2:44: services\.a\.routes: this is an empty list/,
    ],
    [
      'a tier below zero',
      'lightning: sandbox\nservices: { a: { upstream: sample, tier: -1, routes: [{ match: /x, free: true }] } }\n',
      /:2:42: services\.a\.tier: this is -1/,
    ],
    [
      'a host with a path',
      'lightning: sandbox\nservices: { a: { upstream: sample, hosts: [a/b], routes: [{ match: /x, free: true }] } }\n',
      /:2:44: .*not a host name/,
    ],
    [
      'an upstream by name',
      'lightning: sandbox\nservices: { a: { upstream: localhost, routes: [{ match: /x, free: true }] } }\n',
      /:2:28: services\.a\.upstream: not an upstream/,
    ],
    [
      'an upstream with a query',
      'lightning: sandbox\nservices: { a: { upstream: "http://a/?b", routes: [{ match: /x, free: true }] } }\n',
      /:2:28: .*query or fragment/,
    ],
    [
      'an upstream with dots',
      'lightning: sandbox\nservices: { a: { upstream: "http://a/%2fb", routes: [{ match: /x, free: true }] } }\n',
      /:2:28: .*path has empty or encoded/,
    ],
    [
      'lnd without a macaroon',
      top('').replace('sandbox', '{ backend: lnd, url: "https://127.0.0.1:8080" }'),
      /:2:12: lightning: the key "macaroonFile" is missing, expected the file of a macaroon/,
    ],
    [
      'lnd with wrong settings',
      top('').replace('sandbox', '{ backend: lnd, url: 8080, macaroonFile: a, macaroon: "00", tls: b }'),
      /:2:33: lightning: url: expected its REST address/,
      /:2:\d+: lightning: macaroon: given twice, expected a file or a value/,
      /:2:\d+: lightning: unknown key "tls", expected one of url, macaroonFile, macaroon, tlsCertFile/,
    ],
    [
      'a Lightning address that is missing',
      top('').replace('sandbox', '{ backend: lnurl, adress: a@b.c }'),
      /:2:12: lightning: the key "address" is missing, expected a Lightning address/,
      /:2:30: lightning: unknown key "adress", expected one of address, tlsCertFile, proxy/,
    ],
    [
      'a BTCPay store without its key',
      top('').replace('sandbox', '{ backend: btcpay, url: "https://h", store: 7 }'),
      /:2:12: lightning: the key "keyFile" is missing, expected the file of an API key/,
      /:2:56: lightning: store: expected the id of the store/,
    ],
    [
      'a program that is not named',
      top('').replace('sandbox', '{ backend: exec }'),
      /:2:12: lightning: the key "program" is missing, expected the file of a program/,
    ],
    [
      'a fee limit for a service that only sells',
      top('').replace('sandbox', '{ backend: opennode, keyFile: k, network: mainnet }'),
      /:2:45: lightning: unknown key "network", expected one of keyFile, key, url, proxy/,
    ],
    [
      'the sandbox among others',
      top('').replace(
        'sandbox',
        '[sandbox, { backend: lnd, url: "https://127.0.0.1:8080", macaroonFile: a }]',
      ),
      /:2:12: lightning: the sandbox is play money, expected it alone or not at all/,
    ],
    [
      'an unknown backend',
      top('').replace('sandbox', 'sandbx'),
      /:2:12: lightning: unknown backend "sandbx".*Did you mean "sandbox"/,
    ],
    ['no backend', top('').replace('sandbox', '{ }'), /:2:12: lightning: the key "backend" is missing/],
    [
      'no lightning',
      'services: { a: { upstream: sample, routes: [{ match: /x, free: true }] } }\n',
      /:1:1: the key "lightning" is missing/,
    ],
    [
      'a key the sandbox has not',
      top('').replace('sandbox', '{ backend: sandbox, url: x }'),
      /:2:32: unknown key "url"/,
    ],
    [
      'a variable that is not set',
      top('store: sqlite:${DATA}/x.db'),
      /:1:8: the environment variable DATA is not set/,
    ],
    ['a variable left open', top('store: "sqlite:${DATA"'), /:1:8: not a variable, expected \$\{NAME\}/],
    [
      'several things at once',
      `listen: 1
services:
  a: { upstream: nowhere, routes: [{ match: x, price: 5 }] }
`,
      /:1:1: the key "lightning" is missing/,
      /:1:9: listen/,
      /:3:18: services\.a\.upstream/,
      /:3:45: .*the path must start/,
      /:3:55: .*5 has no unit/,
    ],
  ]
  it.each(cases)('%s', (_, text, ...faults) => {
    const found = faultsOf(text)
    expect(found).toHaveLength(faults.length)
    for (const [index, fault] of faults.entries()) expect(found[index]).toMatch(fault)
  })

  it('allows one match on two hosts, and refuses it on one', () => {
    const two = (hosts: string): string =>
      `lightning: sandbox
services:
  a: { upstream: sample, hosts: a.example, routes: [{ match: /x, price: 1 sat }] }
  b: { upstream: sample, hosts: ${hosts}, routes: [{ match: /x, price: 2 sat }] }
`
    expect(faultsOf(two('b.example'))).toEqual([])
    expect(faultsOf(two('[b.example, A.example]'))).toHaveLength(1)
    expect(faultsOf(two('"a.example:8402"'))).toEqual([])
    const ports = two('"c.example:443"').replace('a.example', '"c.example:80"')
    expect(faultsOf(ports)).toEqual([
      'turnpike.yaml:4:3: hosts: c.example:443 and c.example:80 have different services, expected the same (a Host without a port is both)',
    ])
  })
})
