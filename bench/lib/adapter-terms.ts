/** What the adapters sell while they are measured. */
import { memoryLightning } from '@turnpike/l402/lightning/memory'
import { memoryStore } from '@turnpike/l402/store/memory'

/** The buyer pays from the same object. */
export const lightning = memoryLightning()

/** What every adapter is made of. */
export const options = {
  lightning,
  store: memoryStore(),
  keys: [{ id: 'bench', masterKey: new Uint8Array(32).fill(1), active: true }],
  services: { bench: {} },
}

/** A route that costs no access to the store. */
export const PASS = { name: 'GET /pass', price: '1 sat', grants: { valid: '1d' } }

/** A route that is counted. */
export const CALL = { name: 'GET /call', price: '1 sat', grants: { calls: 1_000_000_000 } }
