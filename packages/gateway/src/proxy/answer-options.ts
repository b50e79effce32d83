import { optionsLines, preflightLines } from '@turnpike/l402/server'
import { sendNothing } from './answers.ts'
import type { FoundRoute } from './find-route.ts'
import { NO_ROUTE } from './own-problems.ts'
import type { RequestHead } from './request-head.ts'
import type { Visit } from './visit.ts'

/** Answers OPTIONS: never charged and never passed on (rule S8). */
export function answerOptions(visit: Visit, head: RequestHead, { path, route, routes }: FoundRoute): void {
  const known = routes.methodsFor(path)
  if (known.length === 0) {
    visit.answer(NO_ROUTE, head)
    return
  }
  const requestedHeaders = visit.req.headers['access-control-request-headers'] ?? ''
  visit.leaveBody(head)
  const lines = optionsLines(known)
  if (head.crossOrigin && route !== undefined)
    lines.push(...preflightLines(known, { requestedHeaders, origin: head.origin, policy: route.cors }))
  sendNothing(visit.res, lines)
}
