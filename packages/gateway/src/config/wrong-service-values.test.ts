import { describe } from 'vitest'
import { SECRET, service, tellsEach, two } from './wrong-values.test-suite.ts'

describe('a wrong value of a service', () => {
  tellsEach([
    [
      'a service without an upstream',
      service('tier: 0', 'timeout: 1s'),
      /^4:5: services\.weather: the key "upstream" is missing, expected an address .*"static" with a folder/,
    ],
    [
      'an empty list of upstreams',
      service('tier: 0', 'upstream: []'),
      /^4:15: services\.weather\.upstream: this is an empty list, expected an address/,
    ],
    [
      'an upstream of another scheme',
      service('tier: 0', 'upstream: ["http://a", "ftp://b"]'),
      /^4:28: services\.weather\.upstream\[1\]: not an upstream, expected/,
    ],
    [
      'an upstream with a password',
      service('tier: 0', `upstream: "http://u:${SECRET}@a"`),
      /^4:15: services\.weather\.upstream: an upstream with a user name or password in it, expected/,
    ],
    [
      'an upstream twice',
      service('tier: 0', 'upstream: ["http://a/", "http://a"]'),
      /^4:29: services\.weather\.upstream\[1\]: stands there twice, expected each upstream once/,
    ],
    [
      'how one upstream is picked',
      service('balance: least-busy'),
      /^6:14: services\.weather\.balance: there is one upstream, expected a list/,
    ],
    [
      'a word for balance',
      two('balance: random'),
      /^6:14: services\.weather\.balance: this is "random", expected "round-robin" or "least-busy"/,
    ],
    [
      'one upstream to leave out',
      service('eject: { failures: 2 }'),
      /^6:12: services\.weather\.eject: there is one upstream, expected a list/,
    ],
    [
      'an ejection after nothing',
      two('eject: { failures: 0 }'),
      /^6:24: services\.weather\.eject\.failures: this is 0, expected a whole number from 1/,
    ],
    [
      'an ejection for a number',
      two('eject: { for: 30 }'),
      /^6:19: services\.weather\.eject\.for: 30 has no unit, expected a duration/,
    ],
    ['a key of eject', two('eject: { failure: 1 }'), /^6:14: unknown key "failure", expected "failures"$/],
    [
      'retries below zero',
      two('retries: -1'),
      /^6:14: services\.weather\.retries: this is -1, expected a whole number from 0 to 10/,
    ],
    [
      'retries without end',
      two('retries: 1000'),
      /^6:14: services\.weather\.retries: this is 1000, expected a whole number from 0 to 10/,
    ],
    [
      'health as a path',
      two('health: /healthz'),
      /^6:13: services\.weather\.health: this is "\/healthz", expected a "path" to ask each upstream for/,
    ],
    [
      'health without a path',
      two('health: { interval: 1s }'),
      /^6:13: services\.weather\.health: the key "path" is missing, expected a path/,
    ],
    [
      'health at no path',
      two('health: { path: healthz }'),
      /^6:21: services\.weather\.health\.path: not a path, expected one such as \/healthz/,
    ],
    [
      'health at a URL',
      two('health: { path: "http://a/" }'),
      /^6:21: services\.weather\.health\.path: not a path, expected/,
    ],
    [
      'checks that overlap',
      two('health: { path: /h, interval: 1s, timeout: 5s }'),
      /^6:48: services\.weather\.health\.timeout: the timeout \(5s\) is longer than the interval, expected at most 1s/,
    ],
    [
      'checks shorter than the usual timeout',
      two('health: { path: /h, interval: 1s }'),
      /^6:35: services\.weather\.health\.interval: the timeout \(2s\) is longer than the interval, expected/,
    ],
    [
      'so many checks',
      two('health: { path: /h, failAfter: 0 }'),
      /^6:36: services\.weather\.health\.failAfter: this is 0, expected a whole number from 1/,
    ],
    [
      'a key of health',
      two('health: { path: /h, passafter: 1 }'),
      /^6:25: unknown key "passafter", expected "passAfter"$/,
    ],
    [
      'a folder that is not there',
      service('tier: 0', 'static: nowhere'),
      /^4:13: services\.weather\.static: no such folder, expected one/,
    ],
    [
      'a folder that is a file',
      service('tier: 0', 'static: key'),
      /^4:13: services\.weather\.static: no such folder, expected one/,
    ],
    [
      'a folder and an upstream',
      service('static: public'),
      /^4:15: services\.weather\.upstream: a service with "static" asks no upstream, expected no "upstream"/,
    ],
    [
      'health checks of a folder',
      service('health: { path: /h }', 'static: public'),
      /^6:13: services\.weather\.health: a service with "static" asks no upstream, expected no "health"/,
    ],
    [
      'request headers for a folder',
      service('headers: { request: { remove: [Cookie] } }', 'static: public'),
      /^6:25: services\.weather\.headers\.request: a service with "static" asks no upstream, expected "response" alone/,
    ],
    [
      'a relative prefix',
      service('rewrite: { prefix: api }'),
      /^6:24: services\.weather\.rewrite\.prefix: invalid prefix format, expected/,
    ],
    [
      'a prefix with a host',
      service('rewrite: { prefix: "http://a/api" }'),
      /^6:24: .*rewrite\.prefix: invalid prefix format, expected/,
    ],
    [
      'a prefix with two slashes',
      service('rewrite: { prefix: //api }'),
      /^6:24: .*rewrite\.prefix: invalid prefix format, expected/,
    ],
    [
      'a prefix with a query',
      service('rewrite: { prefix: "/api?a=b" }'),
      /^6:24: .*rewrite\.prefix: invalid prefix format, expected/,
    ],
    [
      'a prefix with a fragment',
      service('rewrite: { prefix: "/api#a" }'),
      /^6:24: .*rewrite\.prefix: invalid prefix format, expected/,
    ],
    [
      'a prefix that leads up',
      service('rewrite: { prefix: /api/../x }'),
      /^6:24: .*rewrite\.prefix: invalid prefix format, expected/,
    ],
    [
      'a prefix that no route has',
      service('rewrite: { stripPrefix: /v2 }'),
      /^6:29: services\.weather\.rewrite\.stripPrefix: no route begins with it, expected/,
    ],
    [
      'a key of rewrite',
      service('rewrite: { stripprefix: /v1 }'),
      /^6:16: unknown key "stripprefix", expected "stripPrefix"$/,
    ],
    [
      'a body limit without a unit',
      service('bodyLimit: 1000'),
      /^6:16: services\.weather\.bodyLimit: 1000 has no unit, expected a size/,
    ],
    [
      'a body limit in another unit',
      service('bodyLimit: 1 MB'),
      /^6:16: services\.weather\.bodyLimit: not a size, expected a size such as "64 KiB"/,
    ],
    [
      'caveats that are unknown',
      service('unknownCaveats: allow'),
      /^6:21: services\.weather\.unknownCaveats: this is "allow", expected "skip" or "refuse"/,
    ],
    [
      'a flag in words',
      service('forwardCredential: "yes"'),
      /^6:24: services\.weather\.forwardCredential: this is "yes", expected true or false/,
    ],
    ['a key of a service', service('retrys: 1'), /^6:5: unknown key "retrys", expected "retries"$/],
  ])
})

describe('a wrong header line', () => {
  tellsEach([
    [
      'a key of headers',
      service('headers: { requests: {} }'),
      /^6:16: unknown key "requests", expected "request"$/,
    ],
    [
      'a key of request headers',
      service('headers: { request: { add: {} } }'),
      /^6:27: unknown key "add", expected (?:"set"|one of set, remove)/,
    ],
    [
      'a name with a space',
      service('headers: { request: { set: { "X Key": a } } }'),
      /^6:43: services\.weather\.headers\.request\.set\.X Key: not a header name, expected/,
    ],
    [
      'a name with a line break',
      service('headers: { request: { set: { "X\\r\\nY": a } } }'),
      /^6:44: .*not a header name, expected/,
    ],
    [
      'a value with a line break',
      service(`headers: { request: { set: { X-Key: "${SECRET}\\r\\nX-Other: 1" } } }`),
      /^6:41: .*set\.X-Key: has a line break or NUL in it, expected one line/,
    ],
    [
      'a value outside Latin-1',
      service(`headers: { request: { set: { X-Key: "${SECRET} \u20ac" } } }`),
      /^6:41: .*set\.X-Key: not a value that a header line can hold, expected/,
    ],
    [
      'a number for a value',
      service('headers: { request: { set: { X-Key: 5 } } }'),
      /^6:41: .*set\.X-Key: not a value, expected a text or \{ file/,
    ],
    [
      'a file that is not there',
      service('headers: { request: { set: { X-Key: { file: nowhere } } } }'),
      /^6:41: .*set\.X-Key: its file cannot be read \(ENOENT\), expected/,
    ],
    [
      'a file of two lines',
      service('headers: { request: { set: { X-Key: { file: two-lines } } } }'),
      /^6:41: .*set\.X-Key: has a line break or NUL in it, expected one line/,
    ],
    [
      'a file of bytes',
      service('headers: { request: { set: { X-Key: { file: bytes } } } }'),
      /^6:41: .*set\.X-Key: has a line break or NUL in it, expected/,
    ],
    [
      'a file that is too long',
      service('headers: { request: { set: { X-Key: { file: long } } } }'),
      /^6:41: .*set\.X-Key: its file is too long, expected at most 16384 bytes/,
    ],
    [
      'an encoding',
      service('headers: { request: { set: { X-Key: { file: key, encoding: utf16 } } } }'),
      /^6:41: .*set\.X-Key: not an encoding, expected "text", "hex" or "base64"/,
    ],
    [
      'a key beside a file',
      service('headers: { request: { set: { X-Key: { file: key, path: b } } } }'),
      /^6:41: .*set\.X-Key: unknown key "path", expected/,
    ],
    [
      'no file',
      service('headers: { request: { set: { X-Key: { encoding: hex } } } }'),
      /^6:41: .*set\.X-Key: names no file, expected/,
    ],
    [
      'a header twice',
      service('headers: { request: { set: { X-Key: a, x_key: b } } }'),
      /^6:51: .*set\.x_key: stands there twice, expected it once/,
    ],
    [
      'a header set and removed',
      service('headers: { request: { set: { X-Key: a }, remove: [x-key] } }'),
      /^6:55: .*remove\[0\]: is set or removed already, expected it once/,
    ],
    ...[
      'Host',
      'Content-Length',
      'Transfer-Encoding',
      'Connection',
      'Keep-Alive',
      'TE',
      'Upgrade',
      'Expect',
      'Proxy-Authorization',
    ].map(
      (name) =>
        [
          `${name} in requests`,
          service(`headers: { request: { set: { ${name}: a } } }`),
          /^6:\d+: .*belongs to the connection, .*expected another header/,
        ] as const,
    ),
    ...['X-L402-Token-Id', 'x_l402_service', 'X-Forwarded-For', 'Forwarded', 'X-Real-IP'].map(
      (name) =>
        [
          `${name} in requests`,
          service(`headers: { request: { remove: [${name}] } }`),
          /^6:36: .*remove\[0\]: is the gateway’s own, expected another header/,
        ] as const,
    ),
    ...['WWW-Authenticate', 'RateLimit', 'RateLimit-Policy', 'X-L402-Anything'].map(
      (name) =>
        [
          `${name} in answers`,
          service(`headers: { response: { set: { ${name}: a } } }`),
          /^6:\d+: .*is the gateway’s own, expected another header/,
        ] as const,
    ),
  ])
})
