import type { L402ErrorCode } from '@turnpike/l402'

/** What the manual says about a fault code of the library. */
export interface FaultEntry {
  /** The folders of the library, or the program, that throw it. */
  readonly thrownBy: readonly string[]
  readonly meaning: string
  readonly remedy: string
}

/** Every code of `L402Error`. */
export const FAULTS: Readonly<Record<L402ErrorCode, FaultEntry>> = {
  malformed: {
    thrownBy: ['core', 'server', 'client', 'fare'],
    meaning: 'Bytes or a text are not what the named format demands.',
    remedy: 'The message says what was expected; nothing is wrong with the program that read it.',
  },
  store_unavailable: {
    thrownBy: ['stores', 'server', 'gateway', 'fare'],
    meaning: 'A store could not be reached or written; nothing was changed.',
    remedy: 'Repeat once the store is back; look at its disk, its permissions and who else holds it.',
  },
  store_incompatible: {
    thrownBy: ['stores', 'fare'],
    meaning: 'A store holds what this version must not touch: a newer schema, a damaged or foreign file.',
    remedy: 'Use the version that wrote it, or another file. Nothing was changed.',
  },
  lightning_unavailable: {
    thrownBy: ['lightning', 'server', 'fare', 'gateway'],
    meaning: 'The Lightning backend could not be reached or refused to work; nothing was paid.',
    remedy: 'Repeat once the node is back.',
  },
  lightning_invalid: {
    thrownBy: ['stores', 'lightning', 'server'],
    meaning:
      'The Lightning backend answered with what breaks its contract, such as another amount than asked for.',
    remedy: 'Look at the backend; its invoice was not sold and its answer not believed.',
  },
  sandbox_forbidden: {
    thrownBy: ['lightning'],
    meaning: 'Play money where real money is meant: `NODE_ENV=production`, or a mainnet network.',
    remedy: 'Configure a real Lightning backend, or leave production.',
  },
  payment_refused: {
    thrownBy: ['fare', 'client', 'mcp'],
    meaning: 'The purse refused to pay: a limit, a policy, or a challenge that is not payable.',
    remedy: 'Raise the limit if the price is right; `details` names what stood against it.',
  },
  payment_failed: {
    thrownBy: ['client'],
    meaning: 'The payment failed for certain; nothing was spent.',
    remedy: 'Repeat the request: it gets a fresh invoice.',
  },
  payment_unknown: {
    thrownBy: ['client'],
    meaning: 'The payment’s outcome is not known; its budget stays held.',
    remedy: 'Never pay again by hand: repeating the request looks it up first, as `fare recover` does.',
  },
  paid_not_served: {
    thrownBy: ['client', 'mcp'],
    meaning: 'Paid, and the server still did not serve.',
    remedy:
      'Repeat later: the credential is kept and presented first. Ask the seller, naming the payment hash.',
  },
  not_replayable: {
    thrownBy: ['client', 'client-wrappers'],
    meaning:
      'The request could not be sent again after paying (a one-time stream as its body), so it was not paid.',
    remedy: 'Give the body as bytes, or let the client buffer it.',
  },
}
