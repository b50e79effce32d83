/** The admin listener of a gateway, whether one process serves or several do. */

import type { InvoiceBackend } from '@turnpike/l402/lightning'
import type { Logger } from 'pino'
import { adminApi } from './admin/admin-api.ts'
import { type AdminServer, type SandboxRoutes, startAdmin } from './admin/admin-server.ts'
import { adminTokens } from './admin/admin-token.ts'
import type { Control } from './admin/control.ts'
import { readCounters } from './admin/counters.ts'
import { readinessProbe } from './admin/readiness.ts'
import type { Config } from './config/config.ts'
import type { Metrics } from './metrics/metrics.ts'
import type { Ledger } from './metrics/watched.ts'
import type { SalesDesk } from './sales/sales-desk.ts'

/** What the admin listener works on. */
export interface ControlParts {
  readonly config: Config
  readonly ledger: Ledger
  readonly invoices: InvoiceBackend
  readonly wallet: SandboxRoutes | undefined
  readonly metrics: Pick<Metrics, 'expose'>
  readonly desk: SalesDesk
  /** What the API may change; `undefined`: nothing. */
  readonly control: Control | undefined
  readonly isDraining: () => boolean
  /** Services whose upstreams are all unwell. */
  readonly unwellServices?: () => readonly string[]
  /** What is amiss with the node, for `/readyz`. */
  readonly lightningWarning: () => string | undefined
  /** Further things that must be there for `/readyz`. */
  readonly checks?: Readonly<Record<string, () => Promise<void>>>
  readonly log: Logger
}

/** Starts it. Throws `CommandError`. */
export function startControl(parts: ControlParts): Promise<AdminServer> {
  const { config, ledger, invoices, wallet, metrics, desk, control, log } = parts
  return startAdmin({
    listen: config.admin.listen,
    api: adminApi({
      target: { ...desk, ledger, control, counters: () => readCounters(metrics), startedAtMs: Date.now() },
      tokens: adminTokens(config.admin.tokenFile),
      log,
    }),
    readiness: readinessProbe(
      { store: () => ledger.ping(), lightning: () => invoices.ping(), ...parts.checks },
      parts.isDraining,
    ),
    ...(parts.unwellServices === undefined ? {} : { unwellServices: parts.unwellServices }),
    lightningWarning: parts.lightningWarning,
    metrics,
    sandbox: wallet,
    log,
  })
}
