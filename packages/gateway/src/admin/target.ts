/**
 * What the admin API works on: plain data and promises, so that the API may run in another process than the data plane.
 */

import type { Journal, SaleEvent, Subscribers } from '@turnpike/l402/server'
import type { WebhookConfig } from '../config/webhooks.ts'
import type { Ledger } from '../metrics/watched.ts'
import type { EventHub } from '../sales/event-hub.ts'
import type { Refunds } from '../sales/refunds.ts'
import type { Control } from './control.ts'

/** See the file's comment. */
export interface AdminTarget {
  readonly ledger: Pick<Ledger, 'read' | 'revoke'>
  readonly journal: Journal
  readonly refunds: Refunds
  readonly events: EventHub
  /** Whom events are to be told to. */
  readonly subscribers: () => Subscribers
  /** Passes on events that the API caused. */
  readonly onEvents: (events: readonly SaleEvent[]) => void
  /** Receivers of webhooks by their name in the outbox. */
  readonly receivers: () => ReadonlyMap<string, WebhookConfig>
  /** There may be letters to send. */
  readonly wakeDeliveries: () => void
  /** What was counted since the start: name → number. */
  readonly counters: () => Promise<Readonly<Record<string, number>>>
  readonly startedAtMs: number
  /** `undefined`: what starts this gateway does not let it be changed. */
  readonly control: Control | undefined
}
