/** What the gateways of a suite sell, and what an order of it costs. */

import type { Order } from './recording-upstream.ts'

/** The service that sells; it begins the names of its caveats. */
export const SERVICE = 'lab'

/** One route. */
export interface Ware {
  readonly route: string
  /** Its line in `turnpike.yaml`, without `match` and `price`. */
  readonly terms: string
  readonly priceSats: number
  /** What one payment puts on the account; `null`: it is sold by calls. */
  readonly creditMsat: bigint | null
  readonly estimateMsat: bigint
  costMsat(order: Order): bigint
}

const byCalls = { creditMsat: null, estimateMsat: 1n, costMsat: () => 1n }

export const oneCall: Ware = { ...byCalls, route: 'one', terms: '', priceSats: 1 }

/** A bundle of so many calls. */
export const bundleOf = (calls: number): Ware => ({
  ...byCalls,
  route: 'bundle',
  terms: `, grants: { calls: ${calls} }`,
  priceSats: 5,
})

/** Credit for so many requests of one price. */
export const fixedFor = (requests: number): Ware => ({
  route: 'fixed',
  terms: `, grants: { credit: ${requests * 100} msat }, charge: { fixed: 100 msat }`,
  priceSats: 5,
  creditMsat: BigInt(requests * 100),
  estimateMsat: 100n,
  costMsat: () => 100n,
})

/** Charged by what the upstream's answer says, never more than the estimate. */
export const units: Ware = {
  route: 'units',
  terms:
    ', grants: { credit: 15 sat }, charge: { header: { name: X-Units, rate: 10 msat }, estimate: 500 msat }',
  priceSats: 15,
  creditMsat: 15_000n,
  estimateMsat: 500n,
  costMsat: ({ units }) => 10n * BigInt(units),
}

/** Charged by the length of the answer, which may come to more than the estimate. */
export const bytes: Ware = {
  route: 'bytes',
  terms: ', grants: { credit: 10 sat }, charge: { responseBytes: 1 msat/10, estimate: 200 msat }',
  priceSats: 10,
  creditMsat: 10_000n,
  estimateMsat: 200n,
  costMsat: ({ bytes }) => BigInt(Math.ceil(bytes / 10)),
}

/** A `turnpike.yaml` that sells these. */
export function shopConfig(
  wares: readonly Ware[],
  {
    store,
    upstream,
    more = '',
  }: { readonly store: string; readonly upstream: string; readonly more?: string },
): string {
  const routes = wares.map(
    ({ route, priceSats, terms }) => `      - { match: "/${route}/*", price: ${priceSats} sat${terms} }`,
  )
  return `listen: 127.0.0.1:0
admin: { listen: 127.0.0.1:0 }
store: "${store}"
lightning: sandbox
challenges: { limit: off }
log: { level: error }
${more}services:
  ${SERVICE}:
    upstream: ${upstream}
    routes:
${routes.join('\n')}
`
}
