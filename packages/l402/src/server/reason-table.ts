import type { RefusedReason } from './gate.ts'

/** How one reason of the gate is answered, and what it means to the one who reads it. */
export interface ReasonEntry {
  /** HTTP status (rule S1: whatever the credential lacked, 402). */
  readonly status: 200 | 400 | 402 | 403 | 409 | 429 | 503
  /** `grpc-status` of the same answer (protocol §1). */
  readonly grpcStatus: 0 | 3 | 7 | 8 | 9 | 13 | 14
  /** `title` of the problem body; the same for every answer with this reason. */
  readonly title: string
  /** What has happened: one sentence for the manual. */
  readonly meaning: string
  /** What the client can do about it: one sentence for the manual. */
  readonly remedy: string
}

const PAYMENT_REQUIRED = { status: 402, grpcStatus: 13 } as const
const TOO_MANY = { status: 429, grpcStatus: 8, title: 'Too Many Requests' } as const
const CONFLICT = { status: 409, grpcStatus: 9 } as const
const UNAVAILABLE = { status: 503, grpcStatus: 14, title: 'Service Unavailable' } as const

/** Every reason a gate refuses for: the credential's faults, then those that are nobody's but the server's. */
export const REASONS: Readonly<Record<RefusedReason, ReasonEntry>> = {
  missing: {
    ...PAYMENT_REQUIRED,
    title: 'Payment Required',
    meaning: 'The request carries no credential.',
    remedy: 'Pay the invoice of the challenge and repeat the request with the credential.',
  },
  malformed: {
    ...PAYMENT_REQUIRED,
    title: 'Malformed Credential',
    meaning: 'What stands where a credential belongs is none: grammar, base64, macaroon bytes or bounds.',
    remedy: 'Send `L402 <macaroon as received>:<preimage in hex>`; `detail` says what was expected.',
  },
  unknown_key: {
    ...PAYMENT_REQUIRED,
    title: 'Unknown Credential',
    meaning: 'The server keeps no root key for this credential: pruned, or never its own.',
    remedy: 'Buy a new credential.',
  },
  bad_signature: {
    ...PAYMENT_REQUIRED,
    title: 'Invalid Credential',
    meaning: 'The macaroon was changed, is another server’s, or was made under a master key since retired.',
    remedy: 'Buy a new credential; if this one is new, send the macaroon exactly as it was received.',
  },
  bad_preimage: {
    ...PAYMENT_REQUIRED,
    title: 'Payment Not Proven',
    meaning: 'The preimage is not the one of the invoice that the macaroon was sold with, or several differ.',
    remedy: 'Send the preimage that paying this macaroon’s own invoice revealed.',
  },
  unsettled: {
    ...PAYMENT_REQUIRED,
    title: 'Payment Not Settled',
    meaning: 'The server asks its node, and the node does not call the invoice settled.',
    remedy: 'Repeat the request once the payment has settled.',
  },
  revoked: {
    ...PAYMENT_REQUIRED,
    title: 'Credential Revoked',
    meaning: 'The seller has revoked this credential.',
    remedy: 'Ask the seller; a new credential can be bought.',
  },
  expired: {
    ...PAYMENT_REQUIRED,
    title: 'Credential Expired',
    meaning: 'The time that was bought is over.',
    remedy: 'Buy again.',
  },
  wrong_service: {
    ...PAYMENT_REQUIRED,
    title: 'Credential For Another Service',
    meaning: 'The credential is good and opens another service, or another tier of this one.',
    remedy: 'Send the credential that was bought here, or buy one.',
  },
  caveat_failed: {
    ...PAYMENT_REQUIRED,
    title: 'Credential Does Not Allow This Request',
    meaning:
      'A caveat, named in `condition`, does not allow this request, cannot be read, or widens an earlier one.',
    remedy: 'Send a request that the credential allows, or buy one for this request.',
  },
  exhausted: {
    ...PAYMENT_REQUIRED,
    title: 'Credential Used Up',
    meaning: 'What was bought is used up; `condition` names the counter.',
    remedy: 'Buy again.',
  },
  over_rate: {
    ...TOO_MANY,
    meaning: 'The credential allows no more requests at this moment, and stays good.',
    remedy: 'Wait as long as `Retry-After` says.',
  },
  rate_limited: {
    ...TOO_MANY,
    meaning: 'More requests came than the server lets through in this time; none was used or charged for.',
    remedy: 'Wait as long as `Retry-After` says, and repeat the request with the same credential.',
  },
  address_denied: {
    status: 403,
    grpcStatus: 7,
    title: 'Forbidden',
    meaning: 'The server answers nothing to this client’s network, paid or not.',
    remedy: 'Ask the seller; do not pay.',
  },
  challenge_limit: {
    ...TOO_MANY,
    meaning: 'Too many unpaid requests came from this network; no invoice is made for now.',
    remedy: 'Wait as long as `Retry-After` says; paid requests go through all the while.',
  },
  challenge_capacity: {
    ...UNAVAILABLE,
    meaning: 'More invoices are asked for than the server makes in this time, all clients together.',
    remedy: 'Wait as long as `Retry-After` says; paid requests go through all the while.',
  },
  lightning_unavailable: {
    ...UNAVAILABLE,
    meaning:
      'The seller’s Lightning backend makes no invoice, or says nothing of a payment, right now; nothing was charged.',
    remedy: 'Repeat the request after `Retry-After`; credentials that were bought before go on working.',
  },
  store_unavailable: {
    ...UNAVAILABLE,
    meaning: 'The seller’s books cannot be written right now; nothing was used.',
    remedy: 'Repeat the request with the same credential after `Retry-After`.',
  },
  price_unavailable: {
    ...UNAVAILABLE,
    meaning:
      'The seller’s price for this request cannot be had right now: its pricer or its rate is out of reach, or it is outside the amounts that the seller can receive.',
    remedy:
      'Repeat the request after `Retry-After`; credentials that were bought before mostly go on working.',
  },
  unpriceable: {
    status: 400,
    grpcStatus: 3,
    title: 'Request Without A Price',
    meaning:
      'The request leaves out, or says twice, something that its price depends on; `detail` says what.',
    remedy: 'Send the request with what `detail` names; nothing was charged.',
  },
  idempotency_invalid: {
    status: 400,
    grpcStatus: 3,
    title: 'Invalid Idempotency-Key',
    meaning:
      'The `Idempotency-Key` cannot be one: empty, twice, too long, or with characters that no key has.',
    remedy: 'Send one line with 1 to 255 visible ASCII characters; nothing was charged.',
  },
  idempotency_conflict: {
    ...CONFLICT,
    title: 'Idempotency-Key Used For Another Request',
    meaning: 'The same credential has sent another request (method, path, query or body) under this key.',
    remedy: 'Send the request as it was, or this one under a key of its own; nothing was charged.',
  },
  idempotency_running: {
    ...CONFLICT,
    title: 'Request Still Running',
    meaning: 'The first request under this `Idempotency-Key` has not ended yet.',
    remedy: 'Repeat it after `Retry-After`; it is executed and charged once.',
  },
  idempotency_unkept: {
    ...CONFLICT,
    title: 'Answer Not Kept',
    meaning: 'The request was executed and charged, and its answer was too large to be kept.',
    remedy: 'Look up at the resource what came of it; send it under another key only to have it done again.',
  },
  idempotency_lost: {
    ...CONFLICT,
    title: 'Answer Lost',
    meaning:
      'The request was executed, and its answer was lost when the server stopped; it is charged once at most.',
    remedy: 'Look up at the resource what came of it; send it under another key only to have it done again.',
  },
  page: {
    status: 200,
    grpcStatus: 0,
    title: 'Payment Page',
    meaning:
      'The payment page asked whether its invoice is paid, or opened what was bought (303); nothing was used.',
    remedy: 'None is needed.',
  },
  session: {
    status: 200,
    grpcStatus: 0,
    title: 'Session',
    meaning: 'A session of the Payment scheme was topped up or closed; the resource was not asked.',
    remedy: 'None is needed.',
  },
}
