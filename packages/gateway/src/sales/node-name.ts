/** Names of nodes, for what is kept about them. */

import { createHash } from 'node:crypto'
import type { LightningConfig } from '../config/config.ts'

/** Settings that say which node it is; the others may change, and may be secrets. */
const PLACES = ['url', 'address', 'store', 'walletId', 'program'] as const

/** One name for one node, also after a restart: another node must not be taken for it. At most 64 plain characters. */
export function nodeName(lightning: readonly LightningConfig[]): string {
  if (lightning.length > 1) return `several-${digest(lightning.map((one) => nodeName([one])))}`
  const [{ backend, settings } = { backend: 'none', settings: {} }] = lightning
  const of: Readonly<Record<string, string | undefined>> = settings
  return `${backend}-${digest(PLACES.map((name) => of[name] ?? ''))}`
}

function digest(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16)
}
