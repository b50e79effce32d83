import type { LiveEvent } from '../../sales/event-hub.ts'
import { shownPayment, shownRefund, shownTime } from './schemas.ts'

/** An event of the live stream: its name, and one line of JSON. */
export function bodyOfEvent(live: LiveEvent): {
  readonly id?: string
  readonly type: string
  readonly data: string
} {
  if (live.kind === 'configuration')
    return { type: 'configuration', data: JSON.stringify({ at: shownTime(live.atMs), by: live.by }) }
  const { id, type, atMs, sale, refund } = live.event
  const data = JSON.stringify({
    id,
    at: shownTime(atMs),
    payment: shownPayment(sale),
    ...(refund === undefined ? {} : { refund: shownRefund(refund) }),
  })
  return { id, type, data }
}
