import type { ServerContext } from '@modelcontextprotocol/server'
import { formatAmount } from '@turnpike/l402'
import type { PurchaseEvent } from '@turnpike/l402/client'

/** Tells the client how far a call is, where it wants to know. */
export function progressOf(ctx: ServerContext): (event: PurchaseEvent) => void {
  const progressToken = ctx.mcpReq._meta?.progressToken
  if (progressToken === undefined) return () => {}
  let progress = 0
  return (event) => {
    const message = told(event)
    if (message === undefined) return
    progress++
    const params = { progressToken, progress, message }
    // A client that is gone or does not listen changes nothing about the money.
    void ctx.mcpReq.notify({ method: 'notifications/progress', params }).catch(() => {})
  }
}

function told(event: PurchaseEvent): string | undefined {
  switch (event.type) {
    case 'challenge':
      return `the server asks for ${formatAmount(event.amountMsat)}`
    case 'paying':
      return `paying ${formatAmount(event.amountMsat)}`
    case 'paid':
      return `paid ${formatAmount(event.amountMsat)}`
    case 'redirect':
      return 'redirected'
    case 'served':
      return 'served'
    case 'request':
    case 'response':
    case 'credential_rejected':
    case 'refused':
    case 'waiting':
    case 'reserved':
    case 'payment_failed':
    case 'payment_unknown':
    case 'paid_unproven':
    case 'not_served':
      return undefined
  }
}
