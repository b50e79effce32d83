/** What a refused request is told; see RFC 9457. Further members are kept as they are. */
export interface Problem {
  readonly status: number
  /** Stable, in snake_case; becomes the type URI `urn:turnpike:problem:<code>`. */
  readonly code: string
  /** Short, the same for every problem with this code. */
  readonly title: string
  /** One sentence about this occurrence. Never a secret. */
  readonly detail: string
  readonly [extension: string]: unknown
}

/** The text of an `application/problem+json` body. */
export function problemBody(problem: Problem): string {
  const { code, title, status, detail, ...extensions } = problem
  return JSON.stringify({ type: `urn:turnpike:problem:${code}`, title, status, detail, code, ...extensions })
}
