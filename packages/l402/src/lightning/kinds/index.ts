/** All kinds of backends that configuration files and `fare wallet add` know. */

import { execKind } from './exec.ts'
import { clnKind, eclairKind, lnbitsKind, phoenixdKind } from './http.ts'
import { lndKind } from './lnd.ts'
import { albyhubKind, nwcKind } from './nwc.ts'
import { blinkKind, btcpayKind, lnurlKind, opennodeKind, strikeKind } from './services.ts'
import type { BackendKind, Role } from './settings.ts'

export {
  type BackendKind,
  checkSettings,
  type OpenContext,
  type Role,
  type Setting,
  type SettingFault,
  type SettingKey,
  type SettingValues,
  settingKeys,
} from './settings.ts'

/** In the order of the documentation. */
export const backendKinds: readonly BackendKind[] = [
  lndKind,
  clnKind,
  eclairKind,
  phoenixdKind,
  lnbitsKind,
  nwcKind,
  albyhubKind,
  blinkKind,
  strikeKind,
  opennodeKind,
  btcpayKind,
  lnurlKind,
  execKind,
]

/** The kind of this name that can be used so, or `undefined`. */
export function findKind(name: string, role: Role): BackendKind | undefined {
  return kindsFor(role).find((kind) => kind.name === name)
}

/** The kinds that can be used so. */
export function kindsFor(role: Role): readonly BackendKind[] {
  return backendKinds.filter(
    (kind) => (role === 'receive' ? kind.openInvoices : kind.openWallet) !== undefined,
  )
}
