/** Behaviours 47 to 68: clients, the node, MPP, metering, the admin API. */

import type { Behaviour } from './behaviour.ts'

const NO_SESSIONS =
  'sessions of the Payment scheme are offered where a route sells several calls or credit, for its price (docs/interoperability.md)'
const SCHEME = ['packages/l402/src/server/payment-scheme/scheme.test.ts']
const REST = 'the admin API is another one, on a listener of its own with bearer tokens'

export const OTHER_BEHAVIOURS: readonly Behaviour[] = [
  {
    number: 47,
    what: 'client: one payment, then the call with the credential',
    testedIn: ['packages/l402/src/client/paying-fetch.test.ts'],
  },
  {
    number: 48,
    what: 'client: a stored token is used',
    testedIn: ['packages/l402/src/client/paying-fetch.test.ts'],
  },
  {
    number: 49,
    what: 'client: a pending payment is looked up, never made twice',
    testedIn: ['packages/l402/src/client/pay.test.ts'],
  },
  {
    number: 50,
    what: 'client: too dear, nothing paid',
    testedIn: ['packages/l402/src/client/buyer.test.ts'],
  },
  {
    number: 51,
    what: 'client: token files',
    absent: 'the purse is a database; nothing replaces what was paid',
  },
  {
    number: 52,
    what: 'strictverify',
    absent: 'a preimage is proof of payment; the node is not asked once more',
  },
  {
    number: 53,
    what: 'strictverify without a node that tracks invoices',
    absent: 'there is no strictverify',
  },
  {
    number: 54,
    what: 'old invoices are reconciled at start',
    absent: 'invoices of the node are never read through; a start does not wait for them',
  },
  { number: 55, what: 'MPP: a 402', testedIn: SCHEME },
  {
    number: 56,
    what: 'MPP: the scheme in any case, second in a joined value',
    testedIn: ['packages/l402/src/core/auth-header.test.ts'],
  },
  { number: 57, what: 'MPP: a paid charge', testedIn: SCHEME },
  { number: 58, what: 'MPP: a charge twice', testedIn: SCHEME },
  {
    number: 59,
    what: 'MPP: a charge on a metered service',
    testedIn: ['packages/l402/src/server/payment-scheme/gate-payment.test.ts'],
  },
  { number: 60, what: 'MPP: changed challenges', testedIn: SCHEME },
  { number: 61, what: 'MPP: sessions', absent: NO_SESSIONS },
  { number: 62, what: 'MPP: top-ups', absent: NO_SESSIONS },
  {
    number: 63,
    what: 'metered: garbage is never free, a pricer that is down is an error, a denial is a fresh 402',
    testedIn: ['packages/gateway/src/pricing/pricers.test.ts'],
    reason: 'a credential that cannot be read is a 402, and a pricer that is down a 503',
  },
  {
    number: 64,
    what: 'metered: usage is reported once',
    testedIn: [
      'packages/gateway/src/pricing/usage-reports.test.ts',
      'packages/gateway/src/pricing/pricers.test.ts',
    ],
  },
  {
    number: 65,
    what: 'base64url and JCS',
    testedIn: ['packages/l402/src/core/payment-scheme/vectors.test.ts'],
  },
  {
    number: 66,
    what: 'admin: wrong macaroons',
    testedIn: ['packages/gateway/test/e2e/admin.test.ts'],
    reason: REST,
  },
  { number: 67, what: 'admin: wrong services', absent: REST },
  {
    number: 68,
    what: 'admin: a revoked token',
    testedIn: ['packages/gateway/test/e2e/admin.test.ts'],
    reason: 'a revoked token stays known as revoked',
  },
]
