import type { L402ErrorCode } from '@turnpike/l402'
import type { FetchOutcome } from '@turnpike/l402/client'

/** Exit codes of `fare`, the same in every output mode. */
export const EXIT = {
  fetched: 0,
  failed: 1,
  usage: 2,
  refused: 3,
  paymentFailed: 4,
  paymentUnknown: 5,
  notServed: 6,
  walletUnreachable: 7,
  unpayable: 8,
  httpError: 22,
} as const

/** One of {@link EXIT}. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** How a run can end: an outcome of the buyer, a fault, a wrong command line, or anything else. */
export type Ending = FetchOutcome['kind'] | L402ErrorCode | 'usage' | 'failed' | 'http_error'

/** The exit code of every ending. All but `served` are also `error.code` of `--json`. */
export const EXIT_OF: Readonly<Record<Ending, ExitCode>> = {
  served: EXIT.fetched,
  failed: EXIT.failed,
  malformed: EXIT.failed,
  store_unavailable: EXIT.failed,
  store_incompatible: EXIT.failed,
  usage: EXIT.usage,
  refused: EXIT.refused,
  payment_refused: EXIT.refused,
  not_replayable: EXIT.refused,
  sandbox_forbidden: EXIT.refused,
  payment_failed: EXIT.paymentFailed,
  payment_unknown: EXIT.paymentUnknown,
  not_served: EXIT.notServed,
  paid_not_served: EXIT.notServed,
  paid_unproven: EXIT.notServed,
  wallet_unreachable: EXIT.walletUnreachable,
  lightning_unavailable: EXIT.walletUnreachable,
  lightning_invalid: EXIT.walletUnreachable,
  unpayable: EXIT.unpayable,
  http_error: EXIT.httpError,
}

/** What each code means, for `fare --help` and the manual. */
export const EXIT_MEANINGS: Readonly<Record<ExitCode, string>> = {
  0: 'fetched',
  1: 'failed',
  2: 'wrong usage',
  3: 'refused by policy: too dear, over budget, host not allowed; nothing paid',
  4: 'payment failed; nothing spent',
  5: 'payment outcome unknown; `fare recover` looks it up',
  6: 'paid, but not served',
  7: 'wallet unreachable; nothing paid',
  8: 'the challenge is not payable: malformed, wrong network, hash mismatch; nothing paid',
  22: 'HTTP status 400 or above, with --fail',
}

/** The exit code of an outcome; `fail` is `--fail`: HTTP errors count. */
export function exitCodeOf(outcome: FetchOutcome, fail: boolean): ExitCode {
  if (outcome.kind === 'served' && fail && outcome.response.status >= 400) return EXIT.httpError
  return EXIT_OF[outcome.kind]
}
