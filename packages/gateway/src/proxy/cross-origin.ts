import { addCorsLines, applyCors, type CorsPolicy } from '@turnpike/l402/server'
import type { RequestHead } from './request-head.ts'

/**
 * What pages of other origins may read of an answer: nothing is said of it; what they need to pay; or what a service's policy
 * says to this origin (empty where the request names none).
 */
export type CrossOrigin = boolean | { readonly policy: CorsPolicy | null; readonly origin: string }

/** For the answer to a request on a route. */
export function crossOriginOf(
  head: RequestHead,
  { cors }: { readonly cors?: CorsPolicy | null },
): CrossOrigin {
  return cors === undefined ? head.crossOrigin : { policy: cors, origin: head.origin }
}

/** Adds to the lines of an answer what a page needs to read it. */
export function shareAnswer(lines: string[], crossOrigin: CrossOrigin): void {
  if (crossOrigin === true) addCorsLines(lines)
  else if (crossOrigin !== false && crossOrigin.policy !== null)
    applyCors(lines, crossOrigin.policy, crossOrigin.origin)
}
