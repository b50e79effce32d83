/** Lets pages of other origins pay: they must see the challenge and what is left (rules S5, S8). */

/** Which pages of other origins may read a service's answers. Plain data. */
export interface CorsPolicy {
  /** Origins as browsers send them, e.g. `https://app.example.com`. */
  readonly origins: 'any' | readonly string[]
  /** Whether pages may send cookies and the like; never with `any`. */
  readonly credentials: boolean
  /** Methods a page may use; those that the routes take if left out. */
  readonly methods?: readonly string[]
  /** Header fields a page may send besides `Authorization`; those it asks for if left out. */
  readonly headers?: readonly string[]
  /** Header fields a page may read besides those of payment. */
  readonly expose: readonly string[]
  /** How long a browser may keep the answer to a preflight. */
  readonly maxAgeSeconds: number
}

const EXPOSED: readonly string[] = [
  'WWW-Authenticate',
  'Payment-Receipt',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
]

const ALLOW_ORIGIN = 'access-control-allow-origin'
const ALLOW_CREDENTIALS = 'access-control-allow-credentials'
const EXPOSE = 'access-control-expose-headers'
const LISTS: readonly string[] = [EXPOSE, 'access-control-allow-methods', 'access-control-allow-headers']

/**
 * Adds to the lines of an answer across origins what a page needs to read it. What is there stays, in one line of each field:
 * a browser takes two for none.
 */
export function addCorsLines(lines: string[]): void {
  merge(lines)
  if (find(lines, ALLOW_ORIGIN) < 0) lines.push('Access-Control-Allow-Origin', '*')
  expose(lines, EXPOSED)
}

/**
 * Makes the lines of an answer say what the policy says to this origin (empty: the request names none), whatever the resource
 * has said; what it exposes stays exposed.
 */
export function applyCors(lines: string[], policy: CorsPolicy, origin: string): void {
  const { origins } = policy
  if (origins !== 'any') vary(lines)
  if (origin === '') return
  merge(lines)
  for (const name of [ALLOW_ORIGIN, ALLOW_CREDENTIALS]) {
    const at = find(lines, name)
    if (at >= 0) lines.splice(at, 2)
  }
  if (!admits(policy, origin)) return
  lines.push(...originLines(policy, origin))
  expose(lines, [...policy.expose, ...EXPOSED])
}

/** Methods that a route which names none is said to take. */
export const USUAL_METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

function methodsOf(methods: readonly string[] | 'any'): readonly string[] {
  return methods === 'any' ? USUAL_METHODS : [...methods, 'OPTIONS']
}

/**
 * The lines that answer OPTIONS for a path with these methods (`methodsFor` of a route table): never charged (rule S8).
 * `preflight`: the `Access-Control-Request-Headers` of a preflight; left out for any other OPTIONS.
 */
export function optionsLines(methods: readonly string[] | 'any', preflight?: string): string[] {
  const lines = ['Allow', methodsOf(methods).join(', ')]
  if (preflight === undefined) return lines
  return [...lines, ...preflightLines(methods, { requestedHeaders: preflight, origin: '' })]
}

/** What a browser asks before it asks. */
export interface Preflight {
  /** `Access-Control-Request-Headers`; empty without. */
  readonly requestedHeaders: string
  readonly origin: string
  /** The policy of the service; left out: any page may ask. `null`: none may. */
  readonly policy?: CorsPolicy | null | undefined
}

/** The lines that answer a preflight for a path with these methods. */
export function preflightLines(
  methods: readonly string[] | 'any',
  { requestedHeaders, origin, policy }: Preflight,
): string[] {
  if (policy === null) return []
  const varied = ['Access-Control-Request-Method', 'Access-Control-Request-Headers']
  if (policy !== undefined && policy.origins !== 'any') varied.unshift('Origin')
  const vary = ['Vary', varied.join(', ')]
  if (policy !== undefined && !admits(policy, origin)) return vary
  const requested = policy?.headers ?? requestedHeaders.split(',').map((name) => name.trim())
  const headers = requested.filter(
    (name) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) && name.toLowerCase() !== 'authorization',
  )
  return [
    ...(policy === undefined ? ['Access-Control-Allow-Origin', '*'] : originLines(policy, origin)),
    ...['Access-Control-Allow-Methods', (policy?.methods ?? methodsOf(methods)).join(', ')],
    ...['Access-Control-Allow-Headers', ['Authorization', ...headers].join(', ')],
    ...['Access-Control-Max-Age', String(policy?.maxAgeSeconds ?? 600)],
    ...vary,
  ]
}

function admits({ origins }: CorsPolicy, origin: string): boolean {
  return origins === 'any' || origins.includes(origin)
}

/** With credentials `*` would be none at all, so an origin is named, and only one that is listed. */
function originLines({ origins, credentials }: CorsPolicy, origin: string): readonly string[] {
  if (origins === 'any') return ['Access-Control-Allow-Origin', '*']
  const named = ['Access-Control-Allow-Origin', origin]
  return credentials ? [...named, 'Access-Control-Allow-Credentials', 'true'] : named
}

/** One line of each CORS field: lists joined, of anything else the first. */
function merge(lines: string[]): void {
  const firsts = new Map<string, number>()
  for (let i = 0; i < lines.length; i += 2) {
    const name = (lines[i] ?? '').toLowerCase()
    if (!name.startsWith('access-control-')) continue
    const first = firsts.get(name)
    if (first === undefined) {
      firsts.set(name, i)
      continue
    }
    if (LISTS.includes(name)) lines[first + 1] = joined(lines[first + 1] ?? '', itemsOf(lines[i + 1] ?? ''))
    lines.splice(i, 2)
    i -= 2
  }
}

function expose(lines: string[], names: readonly string[]): void {
  const at = find(lines, EXPOSE)
  if (at < 0) lines.push('Access-Control-Expose-Headers', joined('', names))
  else lines[at + 1] = joined(lines[at + 1] ?? '', names)
}

/** What comes first stays first; names are compared in any case. */
function joined(list: string, more: readonly string[]): string {
  const items = new Map<string, string>()
  for (const item of [...itemsOf(list), ...more]) {
    const name = item.toLowerCase()
    if (!items.has(name)) items.set(name, item)
  }
  return [...items.values()].join(', ')
}

function vary(lines: string[]): void {
  const at = find(lines, 'vary')
  if (at < 0) lines.push('Vary', 'Origin')
  else if (!itemsOf(lines[at + 1] ?? '').includes('*'))
    lines[at + 1] = joined(lines[at + 1] ?? '', ['Origin'])
}

function itemsOf(list: string): readonly string[] {
  return list.split(',').flatMap((item) => item.trim() || [])
}

function find(lines: readonly string[], lowerName: string): number {
  for (let i = 0; i < lines.length; i += 2) if ((lines[i] ?? '').toLowerCase() === lowerName) return i
  return -1
}
