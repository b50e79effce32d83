/** A seller, a wallet and a purse, ready for one test of the buyer. */

import { buyer } from '../../src/client/buyer.ts'
import { delivered } from '../../src/client/delivery.ts'
import { prepareRequest } from '../../src/client/prepare.ts'
import type { BuyerOptions, FetchOutcome, PurchaseEvent } from '../../src/client/types.ts'
import type { PurseStore } from '../../src/stores/purse.ts'
import { memoryPurse } from '../../src/stores/purse-memory/index.ts'
import { type Seller, startSeller, type TestWallet, testWallet } from './seller.ts'

/** What a test plays with. */
export interface Stage {
  readonly seller: Seller
  readonly wallet: TestWallet
  readonly purse: PurseStore
  readonly events: PurchaseEvent[]
  /** Fetches a path of the seller with a new buyer: a run of its own. */
  get(path?: string, options?: Partial<BuyerOptions>, init?: RequestInit): Promise<FetchOutcome>
  /** Types of the events so far. */
  types(): string[]
  /** Msat spent or held. */
  spent(): Promise<bigint>
  /** For each request the seller received, whether it had an Authorization. */
  credentialsSent(): boolean[]
}

/** Sets a new stage. */
export async function setStage(): Promise<Stage> {
  const seller = await startSeller()
  const wallet = testWallet(seller.secrets)
  const purse = memoryPurse()
  const events: PurchaseEvent[] = []
  return {
    seller,
    wallet,
    purse,
    events,
    async get(path = '/forecast', options = {}, init = {}) {
      const fare = buyer({ wallet, purse, onEvent: (event) => events.push(event), ...options })
      const outcome = await fare.fetch(await prepareRequest(new URL(path, seller.origin), init))
      // Whoever asks reads the answer to its end.
      if (outcome.kind === 'served') await delivered(outcome, 'whole')
      return outcome
    },
    types: () => events.map((event) => event.type),
    spent: async () => (await purse.spent()).totalMsat,
    credentialsSent: () => seller.received.map((one) => one.headers.authorization !== undefined),
  }
}
