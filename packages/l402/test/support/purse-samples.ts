/** Samples of what a purse keeps, and purses to keep it in. */

import { afterEach, beforeEach, expect } from 'vitest'
import { sha256 } from '../../src/core/hash.ts'
import type { Budget, PaymentIntent, PurseStore, StoredCredential } from '../../src/stores/purse.ts'

/** A budget that forbids nothing. */
export const NO_LIMITS: Budget = { overall: {}, hosts: {} }
/** When the books of a test begin, Unix milliseconds. */
export const START = Date.UTC(2026, 0, 1)
export const PAYEE = '02'.repeat(33)

/** A preimage that stands for `n`, and its payment hash. */
export function proofOf(n: number): { preimage: Uint8Array; paymentHash: Uint8Array } {
  const preimage = new Uint8Array(32)
  new DataView(preimage.buffer).setUint32(0, n)
  // Plain bytes: Node's hasher answers with a Buffer.
  return { preimage, paymentHash: new Uint8Array(sha256(preimage)) }
}

/** An intent for payment `n`. */
export function intentOf(n: number, change: Partial<PaymentIntent> = {}): PaymentIntent {
  return {
    paymentHash: proofOf(n).paymentHash,
    origin: 'https://api.example.com',
    host: 'api.example.com',
    method: 'POST',
    url: 'https://api.example.com/query?x=1',
    bodyDigest: new Uint8Array(sha256(new Uint8Array([n]))),
    scope: 'https://api.example.com POST /query',
    macaroon: `macaroon-${n}`,
    invoice: `lnbcrt-${n}`,
    amountMsat: 10_000n,
    maxFeeMsat: 1_000n,
    payee: PAYEE,
    createdAtMs: START + n,
    expiresAt: START / 1000 + 600,
    wallet: 'main',
    walletId: `own:${PAYEE}`,
    task: '',
    orderEndsAtMs: START + n + 60_000,
    ...change,
  }
}

/** Makes a purse that is new and empty, on a clock in Unix milliseconds. */
export type OpenPurse = (now: () => number) => Promise<PurseStore>

/** A purse for each test, and ways to bring it where a test begins. */
export interface PurseBench {
  /** The running test's. */
  readonly purse: PurseStore
  /** What its clock says, Unix milliseconds. */
  time: number
  /** Holds payment `n`, without any limit; answers its hash. */
  reserved(n: number, change?: Partial<PaymentIntent>): Promise<Uint8Array>
  /** Holds and pays it. */
  settled(n: number, change?: Partial<PaymentIntent>, feeMsat?: bigint): Promise<StoredCredential>
}

/** Opens and closes around each test of the `describe` that it is called in. */
export function purseBench(open: OpenPurse): PurseBench {
  let purse: PurseStore
  beforeEach(async () => {
    bench.time = START
    purse = await open(() => bench.time)
  })
  afterEach(() => purse.close())
  const bench: PurseBench = {
    get purse() {
      return purse
    },
    time: START,
    async reserved(n, change = {}) {
      const intent = intentOf(n, change)
      expect(await purse.reserve(intent, NO_LIMITS)).toEqual({ ok: true })
      return intent.paymentHash
    },
    async settled(n, change = {}, feeMsat = 5n) {
      const hash = await bench.reserved(n, change)
      await purse.beginPaying(hash)
      return await purse.settle(hash, { preimage: proofOf(n).preimage, feeMsat })
    },
  }
  return bench
}
