import { type Gate, PAGE_FORM_BYTES } from '@turnpike/l402/server'
import { sendRefused } from './answers.ts'
import { NO_ROUTE } from './own-problems.ts'
import type { RequestHead } from './request-head.ts'
import type { Visit } from './visit.ts'
import { readWholeBody } from './whole-body.ts'

const TIMEOUT_MS = 10_000

/** `POST /.well-known/l402/page`: the form of a payment page, from a browser that runs no script. `base` as in the gate's request. */
export async function answerPageForm(
  gate: Gate,
  visit: Visit,
  head: RequestHead,
  base: string,
): Promise<void> {
  const { req, res } = visit
  if (req.method !== 'POST') {
    visit.answer(NO_ROUTE, head)
    return
  }
  visit.wantBody(head)
  const body = await readWholeBody(req, { mostBytes: PAGE_FORM_BYTES, timeoutMs: TIMEOUT_MS })
  if (visit.closed || body.state === 'gone') return
  // What is no form is answered like a wrong one.
  const text = body.state === 'whole' ? body.bytes.toString('latin1') : ''
  const answer = gate.submitPage?.({ headers: req.rawHeaders, base, body: text }) ?? null
  if (answer === null) {
    visit.answer(NO_ROUTE, head)
    return
  }
  visit.outcome = 'answered'
  visit.leaveBody(head)
  sendRefused(res, answer, head)
}
