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

/** The lines that answer a preflight for a route that is there. */
export function preflightLines(methods: readonly string[], requestedHeaders: string): string[] {
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
