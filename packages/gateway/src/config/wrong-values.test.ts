import { describe } from 'vitest'
import { route, tellsEach, top } from './wrong-values.test-suite.ts'

describe('a wrong value at the top of the file', () => {
  tellsEach([
    // ---- the top of the file
    [
      'a list of no addresses',
      top('listen: []'),
      /^3:9: listen: this is an empty list, expected host:port or a list/,
    ],
    [
      'an address of two ports',
      top('listen: 127.0.0.1:1:2'),
      /^3:9: listen: not an address, expected host:port/,
    ],
    [
      'a drain time as a number',
      top('drainTimeout: 30'),
      /^3:15: drainTimeout: 30 has no unit, expected a duration/,
    ],
    [
      'a drain time of a month',
      top('drainTimeout: 31d'),
      /^3:15: drainTimeout: too long, expected at most 24d/,
    ],
    [
      'which requests are logged',
      top('log: { requests: some }'),
      /^3:18: log\.requests: this is "some", expected "none" or/,
    ],
    ['a log that is a word', top('log: debug'), /^3:6: log: this is "debug", expected a "level"/],
    ['a key of the log', top('log: { lvel: info }'), /^3:8: unknown key "lvel", expected "level"$/],
    [
      'a proxy without a prefix',
      top('trustedProxies: [10.0.0.1]'),
      /^3:18: trustedProxies\[0\]: not a block of addresses, expected/,
    ],
    [
      'a proxy by name',
      top('trustedProxies: proxy.example'),
      /^3:17: trustedProxies: this is "proxy\.example", expected a list of address blocks/,
    ],
    [
      'how long answers are kept',
      top('idempotency: { keep: forever }'),
      /^3:22: idempotency\.keep: not a duration, .*expected/,
    ],
    [
      'how large kept answers are',
      top('idempotency: { maxAnswer: 17 MiB }'),
      /^3:27: idempotency\.maxAnswer: not a size, expected .* at most 16 MiB/,
    ],
    [
      'a size without a unit',
      top('idempotency: { maxAnswer: 1024 }'),
      /^3:27: idempotency\.maxAnswer: 1024 has no unit, expected a size/,
    ],
    ['a key of idempotency', top('idempotency: { kep: 1h }'), /^3:16: unknown key "kep", expected "keep"$/],
    [
      'an invoice that never expires',
      top('challenges: { invoiceExpiry: never }'),
      /^3:30: challenges\.invoiceExpiry: not a duration, .*expected/,
    ],
    [
      'a limit per nothing',
      top('challenges: { limit: 60/ }'),
      /^3:22: challenges\.limit: not a limit, expected/,
    ],
    [
      'a key of challenges',
      top('challenges: { exmpt: [] }'),
      /^3:15: unknown key "exmpt", expected "exempt"$/,
    ],
    [
      'a token file that is a number',
      top('admin: { tokenFile: 5 }'),
      /^3:21: admin\.tokenFile: this is 5, expected a file name/,
    ],
    [
      'a key of admin',
      top('admin: { tokenfile: t }'),
      /^3:10: unknown key "tokenfile", expected "tokenFile"$/,
    ],
    [
      'a key file without a name',
      top('keys: { file: "" }'),
      /^3:15: keys\.file: this is "", expected a file name/,
    ],
    ['a key of keys', top('keys: { envs: A }'), /^3:9: unknown key "envs", expected "env"$/],
    [
      'an Aperture database of another kind',
      top('keys: { aperture: etcd }'),
      /^3:19: keys\.aperture: .*expected/,
    ],
  ])
})

describe('a wrong value of a route', () => {
  tellsEach([
    [
      'a key of a route',
      route('{ match: /x, price: 1 sat, timout: 1s }'),
      /^5:41: unknown key "timout", expected "timeout"$/,
    ],
    [
      'a body limit of a route',
      route('{ match: /x, price: 1 sat, bodyLimit: big }'),
      /^5:52: .*routes\[0\]\.bodyLimit: not a size, expected/,
    ],
    [
      'headers that are a list',
      route('{ match: /x, price: 1 sat, matchHeaders: [X-A] }'),
      /^5:55: .*matchHeaders: this is a list, expected header names/,
    ],
    [
      'no headers',
      route('{ match: /x, price: 1 sat, matchHeaders: {} }'),
      /^5:55: .*matchHeaders: an empty table, expected/,
    ],
    [
      'a header that is none',
      route('{ match: /x, price: 1 sat, matchHeaders: { X_A: b } }'),
      /^5:62: .*matchHeaders\.X_A: not a header name, expected/,
    ],
    [
      'Host',
      route('{ match: /x, price: 1 sat, matchHeaders: { Host: b } }'),
      /^5:63: .*Host does not decide here, expected "hosts" of the service/,
    ],
    [
      'a header that the gateway writes',
      route('{ match: /x, price: 1 sat, matchHeaders: { X-Forwarded-For: b } }'),
      /^5:\d+: .*does not reach the upstream as it came, expected another/,
    ],
    [
      'a credential',
      route('{ match: /x, price: 1 sat, matchHeaders: { Authorization: true } }'),
      /^5:\d+: .*credentials are for the gate, expected another header/,
    ],
    [
      'a header that must be false',
      route('{ match: /x, price: 1 sat, matchHeaders: { X-A: false } }'),
      /^5:62: .*matchHeaders\.X-A: not a condition, expected a value, "~"/,
    ],
    [
      'a header with a number',
      route('{ match: /x, price: 1 sat, matchHeaders: { X-A: 1 } }'),
      /^5:62: .*not a condition, expected/,
    ],
    [
      'a header with an expression RE2 has not',
      route('{ match: /x, price: 1 sat, matchHeaders: { X-A: "~(?=a)" } }'),
      /^5:62: .*not an RE2 expression that can be used, expected/,
    ],
    [
      'a header with an empty expression',
      route('{ match: /x, price: 1 sat, matchHeaders: { X-A: "~" } }'),
      /^5:62: .*an empty expression, expected/,
    ],
    [
      'a header with an impossible value',
      route('{ match: /x, price: 1 sat, matchHeaders: { X-A: "a\\nb" } }'),
      /^5:62: .*not a value that a header line can hold, expected/,
    ],
    [
      'a header twice',
      route('{ match: /x, price: 1 sat, matchHeaders: { X-A: a, x-a: b } }'),
      /^5:70: .*matchHeaders\.x-a: stands there twice, expected it once/,
    ],
    [
      'the same match and headers twice',
      route(
        '{ match: /x, price: 1 sat, matchHeaders: { X-A: a } }, { match: /x, price: 2 sat, matchHeaders: { x-a: a } }',
      ),
      /^5:\d+: "\/x \[x-a\]( #2)?" stands already at line 5, expected each match once/,
    ],
    [
      'prices that differ by header alone',
      route(
        '{ match: /x, price: 1 sat, matchHeaders: { X-A: a } }, { match: /x, price: 2 sat, matchHeaders: { X-A: b } }',
      ),
      /^5:\d+: the capability would be the one of line 5, expected an own "capability"/,
    ],
    [
      'a charge in another unit',
      route('{ match: /x, price: 1 sat, grants: { credit: 1 sat }, charge: { fixed: 1 } }'),
      /^5:85: .*charge\.fixed: this is 1, expected an amount/,
    ],
    [
      'a charge without credit',
      route('{ match: /x, price: 1 sat, charge: { fixed: 1 msat } }'),
      /^5:49: .*charge: nothing to draw from, expected credit/,
    ],
    [
      'a shape of usage',
      route(
        '{ match: /x, price: 1 sat, grants: { credit: 1 sat }, charge: { usage: { shape: cohere, input: 1 msat, output: 1 msat } } }',
      ),
      /^5:\d+: .*shape: this is "cohere", expected "openai" or "anthropic"/,
    ],
    [
      'what happens when it is empty',
      route(
        '{ match: /x, price: 1 sat, grants: { credit: 1 sat }, charge: { fixed: 1 msat, whenEmpty: stop } }',
      ),
      /^5:\d+: .*whenEmpty: this is "stop", expected "finish" or "cut"/,
    ],
    [
      'a rate',
      route('{ match: /x, price: 1 sat, conditions: { rate: often } }'),
      /^5:\d+: .*conditions: rate is not right, expected/,
    ],
    [
      'methods that are a word',
      route('{ match: /x, price: 1 sat, conditions: { methods: GET } }'),
      /^5:\d+: .*methods: this is "GET", expected a list of methods/,
    ],
    [
      'addresses that are a word',
      route('{ match: /x, price: 1 sat, conditions: { ip: all } }'),
      /^5:\d+: .*ip: this is "all", expected "client" or a list/,
    ],
    [
      'a key of conditions',
      route('{ match: /x, price: 1 sat, conditions: { method: [GET] } }'),
      /^5:\d+: unknown key "method", expected "methods"$/,
    ],
    [
      'two answers about capabilities',
      route('{ match: /x, price: 1 sat, capability: a, anyCapability: true }'),
      /^5:\d+: .*a route with a capability needs it, expected one of the two/,
    ],
    [
      'a key of grants',
      route('{ match: /x, price: 1 sat, grants: { call: 5 } }'),
      /^5:\d+: unknown key "call", expected "calls"$/,
    ],
  ])
})
