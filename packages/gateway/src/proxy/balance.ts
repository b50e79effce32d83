import { balanceBody, type Gate, optionsLines } from '@turnpike/l402/server'
import { sendJson, sendNothing, sendRefused } from './answers.ts'
import { BALANCE_METHOD, INTERNAL } from './own-problems.ts'
import type { RequestHead } from './request-head.ts'
import type { Visit } from './visit.ts'

/** `GET /.well-known/l402/balance`: what is left of the credential in the request. Uses nothing of it. `base` as in the gate's request. */
export function answerBalance(
  gate: Gate,
  visit: Visit,
  { head, base }: { readonly head: RequestHead; readonly base: string },
): void {
  const { req, res } = visit
  visit.leaveBody(head)
  if (req.method === 'OPTIONS') {
    const requested = req.headers['access-control-request-headers'] ?? ''
    sendNothing(res, optionsLines(['GET', 'HEAD'], head.crossOrigin ? requested : undefined))
    return
  }
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    visit.answer(BALANCE_METHOD, head)
    return
  }
  gate.balance(req.rawHeaders, { base }).then(
    (balance) => {
      if (visit.closed) return
      if (balance.outcome === 'balance') {
        sendJson(res, balanceBody(balance), head)
        return
      }
      visit.code = balance.reason
      sendRefused(res, balance, head)
    },
    () => visit.answer(INTERNAL, head),
  )
}
