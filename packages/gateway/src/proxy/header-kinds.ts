/** What a header field means to a gateway, decided by its name alone. */
export type HeaderKind =
  /** Known, and nothing to us. */
  | 'plain'
  /** Not known to us. */
  | 'other'
  /** For one connection only (RFC 9110 §7.6.1). */
  | 'hop'
  | 'connection'
  | 'host'
  | 'length'
  | 'coding'
  | 'te'
  | 'expect'
  | 'upgrade'
  | 'origin'
  /** `Content-Type`. */
  | 'type'
  /** `Accept-Encoding`. */
  | 'encoding'
  /** Of possession (RFC 9449), for the gate alone. */
  | 'proof'
  /** `Cookie`: the payment page's are the gate's. */
  | 'cookie'
  /** Would make some upstreams take the request for another one. */
  | 'override'
  /** What the gateway itself says about the client, or about who paid; never taken from outside. */
  | 'ours'

const named: Readonly<Record<Exclude<HeaderKind, 'other'>, readonly string[]>> = {
  plain: [
    'accept',
    'accept-language',
    'accept-ranges',
    'age',
    'cache-control',
    'content-encoding',
    'date',
    'etag',
    'expires',
    'idempotency-key',
    'if-modified-since',
    'if-none-match',
    'last-modified',
    'location',
    'range',
    'referer',
    'server',
    'set-cookie',
    'user-agent',
    'vary',
  ],
  hop: ['keep-alive', 'proxy-connection', 'trailer', 'http2-settings'],
  connection: ['connection'],
  host: ['host'],
  length: ['content-length'],
  coding: ['transfer-encoding'],
  te: ['te'],
  expect: ['expect'],
  upgrade: ['upgrade'],
  origin: ['origin'],
  type: ['content-type'],
  encoding: ['accept-encoding'],
  proof: ['dpop'],
  cookie: ['cookie'],
  override: [
    'x-http-method-override',
    'x-http-method',
    'x-method-override',
    'x-original-url',
    'x-rewrite-url',
    'x-original-method',
  ],
  ours: [
    'forwarded',
    'x-real-ip',
    'x-client-ip',
    'x-cluster-client-ip',
    'true-client-ip',
    'cf-connecting-ip',
  ],
}
const prefixes: readonly (readonly [string, HeaderKind])[] = [
  ['x-l402-', 'ours'],
  ['x-forwarded-', 'ours'],
  ['proxy-', 'hop'],
]

// Names as they mostly come, in lower case and in title case, are found without making a string.
const kinds = new Map<string, HeaderKind>()
for (const [kind, names] of Object.entries(named)) {
  for (const name of names) {
    kinds.set(name, kind as HeaderKind)
    kinds.set(
      name.replace(/\b[a-z]/g, (letter) => letter.toUpperCase()),
      kind as HeaderKind,
    )
  }
}

/** The kind of a header field, its name in any case. */
export function headerKind(name: string): HeaderKind {
  const kind = kinds.get(name)
  if (kind !== undefined) return kind
  const lower = name.toLowerCase()
  return kinds.get(lower) ?? unlisted(lower)
}

function unlisted(lower: string): HeaderKind {
  for (const [prefix, kind] of prefixes) if (lower.startsWith(prefix)) return kind
  if (!lower.includes('_')) return 'other'
  // CGI, and what came after it, reads `X_Forwarded_For` as `X-Forwarded-For`.
  const kind = headerKind(lower.replaceAll('_', '-'))
  return kind === 'plain' || kind === 'type'
    ? 'other'
    : kind === 'override' || kind === 'other'
      ? kind
      : 'ours'
}
