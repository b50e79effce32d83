/** Lets pages of other origins pay: they must see the challenge and what is left (rules S5, S8). */

const EXPOSED: readonly string[] = [
  'WWW-Authenticate',
  'Payment-Receipt',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
]

/** Adds to the lines of an answer across origins what a page needs to read it; what is there stays. */
export function addCorsLines(lines: string[]): void {
  let allowed = false
  const exposed = new Set<string>()
  for (let i = 0; i < lines.length; i += 2) {
    const name = (lines[i] ?? '').toLowerCase()
    if (name === 'access-control-allow-origin') allowed = true
    else if (name === 'access-control-expose-headers') {
      for (const exposure of (lines[i + 1] ?? '').split(',')) exposed.add(exposure.trim().toLowerCase())
    }
  }
  if (!allowed) lines.push('Access-Control-Allow-Origin', '*')
  const missing = EXPOSED.filter((name) => !exposed.has(name.toLowerCase()))
  if (missing.length > 0) lines.push('Access-Control-Expose-Headers', missing.join(', '))
}

/** Methods that a route which names none is said to take. */
export const USUAL_METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/**
 * The lines that answer OPTIONS for a path with these methods (`methodsFor` of a route table): never charged (rule S8).
 * `preflight`: the `Access-Control-Request-Headers` of a preflight; left out for any other OPTIONS.
 */
export function optionsLines(methods: readonly string[] | 'any', preflight?: string): string[] {
  const allowed = methods === 'any' ? USUAL_METHODS : [...methods, 'OPTIONS']
  return ['Allow', allowed.join(', '), ...(preflight === undefined ? [] : preflightLines(allowed, preflight))]
}

function preflightLines(methods: readonly string[], requestedHeaders: string): string[] {
  const headers = requestedHeaders.split(',').map((name) => name.trim())
  const allowed = headers.filter(
    (name) => /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) && name.toLowerCase() !== 'authorization',
  )
  return [
    'Access-Control-Allow-Origin',
    '*',
    'Access-Control-Allow-Methods',
    methods.join(', '),
    'Access-Control-Allow-Headers',
    ['Authorization', ...allowed].join(', '),
    'Access-Control-Max-Age',
    '600',
    'Vary',
    'Access-Control-Request-Method, Access-Control-Request-Headers',
  ]
}
