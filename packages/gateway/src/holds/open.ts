/** From a configuration to its hold desk. */

import { resolve } from 'node:path'
import type { InvoiceBackend } from '@turnpike/l402/lightning'
import { findHoldPreimage, keyRing, type MasterKey } from '@turnpike/l402/server'
import type { Config } from '../config/config.ts'
import type { DataPlane } from '../proxy/index.ts'
import { createHoldDesk, type HoldDesk } from './hold-desk.ts'
import { type HoldJournal, openHoldJournal } from './hold-journal.ts'

/** What a hold desk is opened with. */
export interface HoldParts {
  readonly lightning: InvoiceBackend
  /** The keys in force. */
  readonly keys: () => readonly MasterKey[]
  readonly plane: () => Pick<DataPlane, 'listener'>
  readonly warn: (message: string) => void
}

/** The file of held payments beside the configuration. */
export function holdJournalOf({ folder }: Pick<Config, 'folder'>): Promise<HoldJournal> {
  return openHoldJournal(resolve(folder, 'turnpike.holds'))
}

/** Goes on with what the journal says. */
export function openHoldDesk(journal: HoldJournal, parts: HoldParts): HoldDesk {
  const { lightning, keys, plane, warn } = parts
  return createHoldDesk({
    lightning,
    journal,
    plane,
    warn,
    preimageOf: (hold) => findHoldPreimage(keyRing(keys()), hold),
  })
}
