/** From a configuration to its hold desk. */

import { resolve } from 'node:path'
import type { InvoiceBackend } from '@turnpike/l402/lightning'
import { findHoldPreimage, keyRing, type MasterKey } from '@turnpike/l402/server'
import type { Config } from '../config/config.ts'
import type { DataPlane } from '../proxy/index.ts'
import { createHoldDesk, type HoldDesk } from './hold-desk.ts'
import { openHoldJournal } from './hold-journal.ts'

/** Opens the file of held payments beside the configuration, and goes on with what it says. */
export async function openHoldDesk(
  { folder }: Pick<Config, 'folder'>,
  parts: {
    readonly lightning: InvoiceBackend
    readonly keys: readonly MasterKey[]
    readonly plane: () => Pick<DataPlane, 'listener'>
    readonly warn: (message: string) => void
  },
): Promise<HoldDesk> {
  const { lightning, keys, plane, warn } = parts
  const ring = keyRing(keys)
  const journal = await openHoldJournal(resolve(folder, 'turnpike.holds'))
  return createHoldDesk({
    lightning,
    journal,
    plane,
    warn,
    preimageOf: (hold) => findHoldPreimage(ring, hold),
  })
}
