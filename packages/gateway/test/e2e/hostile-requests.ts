/** Requests that mean one thing to one reader and another to the next. Bytes as text, one byte per character. */

/** Ends the connection with the answer. */
export const CLOSE = 'Host: a\r\nConnection: close\r\n'

/** The head of a request without a body. */
export const request = (
  target: string,
  lines: string = CLOSE,
  method = 'GET',
  version = 'HTTP/1.1',
): string => `${method} ${target} ${version}\r\n${lines}\r\n`

/** Targets, and how a gateway with a free and a paid prefix answers them. */
// A generous upstream would find the paid prefix in each of these.
export const spellings: readonly (readonly [string, readonly number[]])[] = [
  ...[
    '/free/../paid/x',
    '/free/%2e%2e/paid/x',
    '/free/.%2E/paid/x',
    '//paid/x',
    '/paid//x',
    '/./paid/x',
    '/%70aid/x',
    '/%50aid/../paid/x',
    '/free/../../../../paid/x',
    '/free//../paid/x',
    '/free/x/../../paid/x?/free/',
    '/paid/x?../free/x',
    '/paid/x;/free/x',
    '/paid/',
    '/paid/.',
    '/paid/x/..',
    'http://a/paid/x',
    'HTTP://A:80/free/../paid/x',
    'https://a/paid/x',
  ].map((target) => [target, [402]] as const),
  ...[
    '/free/..%2fpaid/x',
    '/free%2f..%2fpaid/x',
    '/free/%2e%2e%2fpaid/x',
    '/free/..%5cpaid/x',
    '/free/..\\paid/x',
    '/free\\..\\paid/x',
    '/free/..;/paid/x',
    '/free/..;x=y/paid/x',
    '/free/%2e%2e;/paid/x',
    '/free/;/../paid/x',
    '/free/..%00/paid/x',
    '/free/x%00/../../paid/x',
    '/free/\x00/../paid/x',
    '/free/%252e%252e/paid/x',
    '/free/..%252fpaid/x',
    '/free/%c0%ae%c0%ae/paid/x',
    '/free/%e0%80%ae%e0%80%ae/paid/x',
    '/free/..%c0%afpaid/x',
    '/free/%u002e%u002e/paid/x',
    '/free/%/../paid/x',
    '/free/#/../../paid/x',
    '/free/x#?/../../paid/x',
    '/free/x%0d%0aX-L402-Token-Id:%20a/../../paid/x',
    '/free/..\t/paid/x',
    '/free/..\xa0/paid/x',
    'http://b/free/x',
    'http://b/paid/x',
    'http://a@b/free/x',
    'http://a:x@b/paid/x',
    'http:///paid/x',
    'http:/paid/x',
    'ftp://a/paid/x',
    'a:80',
    '*',
    'paid/x',
    '?/paid/x',
  ].map((target) => [target, [400]] as const),
  ...['/PAID/x', '/Free/x', '/paidx', '/paid%3f/x', '/', '/free', '/pai%64%20/x'].map(
    (target) => [target, [404]] as const,
  ),
]

/** Headers by which some upstreams let a client name another method or target. */
export const overrides: readonly string[] = [
  'X-HTTP-Method-Override',
  'X-HTTP-Method',
  'X-Method-Override',
  'X_HTTP_Method_Override',
  'X-Original-URL',
  'X-Rewrite-URL',
  'X-Original-Method',
]

/** Headers in which the gateway says who paid. */
export const forgedIdentities: readonly string[] = [
  'X-L402-Token-Id',
  'x-l402-payment-hash',
  'X-L402-Service',
  'X_L402_Token_Id',
  'X-L402-Anything',
]

/** Headers in which it says for whom it asks. */
export const forgedAddresses: readonly string[] = [
  'X-Forwarded-For',
  'X-Forwarded-Host',
  'X-Forwarded-Proto',
  'X-Real-IP',
  'Forwarded',
  'X_Forwarded_For',
  'True-Client-IP',
  'X-Forwarded-Prefix',
]

/** Requests whose framing is not one: each a single refusal, whatever request is hidden in it. By what is wrong. */
export function framings(hidden: string): [what: string, bytes: string][] {
  const post = (lines: string, body: string): string =>
    `POST /free/x HTTP/1.1\r\nHost: a\r\n${lines}\r\n${body}`
  const chunked = `0\r\n\r\n${hidden}`
  return [
    ['both lengths', post(`Content-Length: ${hidden.length}\r\nTransfer-Encoding: chunked\r\n`, chunked)],
    ['both, the other way round', post(`Transfer-Encoding: chunked\r\nContent-Length: 4\r\n`, `${chunked}`)],
    ['two lengths', post(`Content-Length: 0\r\nContent-Length: ${hidden.length}\r\n`, hidden)],
    ['the same length twice', post('Content-Length: 0\r\nContent-Length: 0\r\n', hidden)],
    ['a list of lengths', post('Content-Length: 0, 42\r\n', hidden)],
    ['a signed length', post('Content-Length: +0\r\n', hidden)],
    ['a negative length', post('Content-Length: -1\r\n', hidden)],
    ['a hex length', post('Content-Length: 0x0\r\n', hidden)],
    ['an empty length', post('Content-Length: \r\n', hidden)],
    ['a length of letters', post('Content-Length: zero\r\n', hidden)],
    ['a huge length', post('Content-Length: 99999999999999999999\r\n', hidden)],
    ['a length before a space and a colon', post('Content-Length : 0\r\n', hidden)],
    ['a coding before a space and a colon', post('Transfer-Encoding : chunked\r\n', chunked)],
    [
      'a length name with an underscore beside a coding',
      post(`Content_Length: 0\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n`, chunked),
    ],
    ['identity', post('Transfer-Encoding: identity\r\n', hidden)],
    ['gzip, chunked', post('Transfer-Encoding: gzip, chunked\r\n', chunked)],
    ['chunked, identity', post('Transfer-Encoding: chunked, identity\r\n', chunked)],
    ['chunked twice', post('Transfer-Encoding: chunked, chunked\r\n', chunked)],
    ['two coding lines', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', chunked)],
    ['a coding in quotes', post('Transfer-Encoding: "chunked"\r\n', chunked)],
    ['a coding after a vertical tab', post('Transfer-Encoding: \x0bchunked\r\n', chunked)],
    ['xchunked', post('Transfer-Encoding: xchunked\r\n', chunked)],
    ['a folded coding', post('Transfer-Encoding:\r\n chunked\r\n', chunked)],
    ['a folded line', post('X-A: b\r\n c: d\r\nContent-Length: 0\r\n', hidden)],
    ['a folded line at the start', 'GET /free/x HTTP/1.1\r\n Host: a\r\n\r\n'],
    ['bare line feeds', 'GET /free/x HTTP/1.1\nHost: a\n\n'],
    ['a bare line feed between lines', post('X-A: b\nContent-Length: 0\r\n', hidden)],
    ['a bare carriage return', post('X-A: b\rContent-Length: 42\r\n', hidden)],
    ['a carriage return in a value', post(`X-A: b\r\rGET /paid/smuggled HTTP/1.1\r\n`, '')],
    ['NUL in a value', post('X-A: b\0c\r\n', '')],
    ['NUL in a name', post('X-\0A: b\r\n', '')],
    ['a name with a space', post('X A: b\r\n', '')],
    ['a line without a colon', post('X-A\r\n', '')],
    ['an empty name', post(': b\r\n', '')],
    ['no Host', 'GET /free/x HTTP/1.1\r\n\r\n'],
    ['two Host lines', 'GET /free/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
    ['two equal Host lines', 'GET /free/x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n'],
    ['a Host of a path', 'GET /free/x HTTP/1.1\r\nHost: a/../paid\r\n\r\n'],
    ['a Host with a user', 'GET /free/x HTTP/1.1\r\nHost: a@b\r\n\r\n'],
    ['a Host with a space', 'GET /free/x HTTP/1.1\r\nHost: a b\r\n\r\n'],
    ['a Host with a port of letters', 'GET /free/x HTTP/1.1\r\nHost: a:x\r\n\r\n'],
    ['an empty Host', 'GET /free/x HTTP/1.1\r\nHost:\r\n\r\n'],
    [
      'HTTP/1.0 with a coding',
      'POST /free/x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['HTTP/0.9', 'GET /free/x\r\n\r\n'],
    ['HTTP/2.0', 'GET /free/x HTTP/2.0\r\nHost: a\r\n\r\n'],
    ['HTTP/1.2', 'GET /free/x HTTP/1.2\r\nHost: a\r\n\r\n'],
    ['another protocol', 'GET /free/x HTCPCP/1.0\r\nHost: a\r\n\r\n'],
    ['a lower-case protocol', 'GET /free/x http/1.1\r\nHost: a\r\n\r\n'],
    ['a space in the target', 'GET /free/x /paid/x HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a tab for a space', 'GET\t/free/x HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'.padEnd(300, '\x41')],
    ['a method of nonsense', '\x01\x02\x03 /free/x HTTP/1.1\r\nHost: a\r\n\r\n'],
  ]
}

/** Bodies in chunks that are none, some of them around a hidden request. By what is wrong. */
export function badChunks(hidden: string): [what: string, body: string][] {
  return [
    ['a chunk size of letters', 'zz\r\n'],
    ['a negative chunk size', '-1\r\n'],
    ['a chunk size with 0x', '0x5\r\nhello\r\n0\r\n\r\n'],
    ['an endless chunk size', `${'f'.repeat(40)}\r\n`],
    ['a chunk longer than said', '1\r\nab\r\n0\r\n\r\n'],
    ['a chunk that ends in a bare line feed', '5\r\nhello\n0\r\n\r\n'],
    ['a chunk size that ends in a bare line feed', '5\nhello\r\n0\r\n\r\n'],
    ['a space before the chunk size', ' 5\r\nhello\r\n0\r\n\r\n'],
    ['a chunk extension with a bare line feed', `5;x\n${hidden}\r\n0\r\n\r\n`],
    ['a bare carriage return in an extension', `5;x\rGET /paid/smuggled HTTP/1.1\r\nhello\r\n0\r\n\r\n`],
    ['very long chunk extensions', `5;${'x'.repeat(40_000)}\r\nhello\r\n0\r\n\r\n`],
  ]
}
