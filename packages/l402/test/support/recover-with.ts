/** Recovery with a wallet that says the same of every payment, and payments that are not waited for any more. */

import { buyer } from '../../src/client/buyer.ts'
import type { Recovered } from '../../src/client/types.ts'
import { isWrittenOff, writeOff } from '../../src/client/write-off.ts'
import type { PaymentOutcome } from '../../src/lightning/backend.ts'
import type { PaymentRecord, PurseStore } from '../../src/stores/purse.ts'

/** Who looks on, and what the wallet says. */
export interface Recovery {
  readonly purse: PurseStore
  readonly now: () => number
  /** The wallet's name in the books. */
  readonly name: string
  readonly says: PaymentOutcome
  /** Who the wallet says it is. */
  readonly ids: readonly string[]
}

/** Looks every open payment up. */
export async function recoverWith({ purse, now, name, says, ids }: Recovery): Promise<readonly Recovered[]> {
  const wallet = {
    network: 'regtest',
    paymentCapabilities: { returnsPreimage: true, capsFees: true, looksUp: true },
    pay: () => Promise.reject(new Error('nothing is paid here')),
    lookupPayment: async () => says,
    balanceMsat: async () => null,
    identities: async () => ids,
    close: async () => {},
  } as const
  return await buyer({ wallet, walletName: name, purse, now }).recover()
}

/** Gives a payment up, as its owner does; the one with this hash as it stands, or the one that was shown. */
export async function giveUp(
  purse: PurseStore,
  meant: Uint8Array | PaymentRecord,
  signal?: AbortSignal,
): Promise<PaymentRecord | undefined> {
  if (!(meant instanceof Uint8Array)) return await writeOff(purse, meant, signal)
  const known = await purse.payment(meant)
  return await writeOff(purse, known ?? { paymentHash: meant, createdAtMs: 0, scope: '' }, signal)
}

/** Whether it was. */
export async function isGivenUp(purse: PurseStore, payment: PaymentRecord | undefined): Promise<boolean> {
  return payment !== undefined && (await isWrittenOff(purse, payment))
}
