import type { Approvals } from './approval.ts'
import type { Bodies } from './bodies.ts'
import type { Calls } from './calls.ts'
import type { GuardedFetch } from './guarded-fetch.ts'
import type { McpSettings } from './settings.ts'

/** What the tools of one process share, whatever connections they serve. */
export interface Desk {
  readonly settings: McpSettings
  readonly calls: Calls
  readonly bodies: Bodies
  readonly approvals: Approvals
  readonly web: GuardedFetch
}
