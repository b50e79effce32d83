import type { ProposedPurchase } from '@turnpike/l402/client'

/** A purchase that somebody is asked about; its seller is up to no good. */
export const PURCHASE: ProposedPurchase = {
  method: 'GET',
  origin: 'https://api.example.com',
  host: 'api.example.com',
  path: '/forecast',
  amountMsat: 10_000n,
  maxFeeMsat: 1_000n,
  payee: '02'.repeat(33),
  network: 'mainnet',
  description: '<script>alert("1")</script>',
  paymentHash: 'ab'.repeat(32),
  expiresAt: 1_800_000_000,
  caveats: ['services=weather:0'],
  task: 'nightly',
  asks: 'price_jump',
  lastAmountMsat: 1_000n,
}
