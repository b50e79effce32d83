/** What is written down of a session when it is opened. It does not change: everything that does is the ledger's counters. */

import { decodeHex, encodeHex } from '../../../core/bytes.ts'
import type { SessionBalance } from './balance.ts'

/** One session. */
export interface SessionRecord {
  /** 32 bytes: the deposit's payment hash. */
  readonly sessionId: Uint8Array
  /** 32 bytes. */
  readonly tokenId: Uint8Array
  /** Id of the challenge that it was opened with. */
  readonly challengeId: string
  /** The macaroon of that challenge, in base64. With the deposit's preimage it is a credential. */
  readonly macaroon: string
  /** Whether its client wants no other challenge to open it. */
  readonly pinned: boolean
  readonly service: string
  /** The route that it was sold for. */
  readonly route: string
  readonly balance: SessionBalance
  /** What the deposit has bought, in the balance's units, and for how much. */
  readonly units: bigint
  readonly paidMsat: bigint
  /** Lower case; what is left goes there. */
  readonly returnInvoice: string
  /** 32 bytes. */
  readonly returnHash: Uint8Array
  /** Unix seconds. */
  readonly returnExpiresAt: number
  /** Milliseconds since 1970. */
  readonly openedAtMs: number
  /** Milliseconds since 1970 from which on nothing of it is good; `null`: never. */
  readonly endsAtMs: number | null
}

/** As JSON. */
export function recordJson(record: SessionRecord): object {
  const { balance } = record
  return {
    ...record,
    sessionId: encodeHex(record.sessionId),
    tokenId: encodeHex(record.tokenId),
    returnHash: encodeHex(record.returnHash),
    units: String(record.units),
    paidMsat: String(record.paidMsat),
    balance:
      balance.kind === 'credit'
        ? { kind: 'credit', account: encodeHex(balance.account) }
        : {
            kind: 'calls',
            account: encodeHex(balance.account),
            counter: encodeHex(balance.counter),
            limit: String(balance.limit),
          },
  }
}

type Written<T> = { readonly [K in keyof T]: T[K] extends Uint8Array | bigint ? string : T[K] }
interface WrittenBalance {
  readonly kind: 'credit' | 'calls'
  readonly account: string
  readonly counter?: string
  readonly limit?: string
}

/** The other way round, for what {@link recordJson} has written. */
export function readRecord(json: object): SessionRecord {
  const written = json as Omit<Written<SessionRecord>, 'balance'> & { readonly balance: WrittenBalance }
  const { kind, account, counter = '', limit = '0' } = written.balance
  return {
    ...written,
    sessionId: bytes(written.sessionId),
    tokenId: bytes(written.tokenId),
    returnHash: bytes(written.returnHash),
    units: BigInt(written.units),
    paidMsat: BigInt(written.paidMsat),
    balance:
      kind === 'credit'
        ? { kind, account: bytes(account) }
        : { kind, account: bytes(account), counter: bytes(counter), limit: BigInt(limit) },
  }
}

function bytes(hex: string): Uint8Array {
  return decodeHex(hex) ?? new Uint8Array(32)
}
