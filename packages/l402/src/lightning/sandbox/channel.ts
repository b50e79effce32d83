/** Opening the one channel between buyer and seller. */

import { L402Error } from '../../core/errors.ts'
import type { SimulatedChain } from './chain.ts'
import type { SandboxNode } from './node.ts'

const OPENING_MS = 20_000

/** Connects the two and opens the channel; ready when an invoice would carry a route hint. */
export async function openChannel(
  buyer: SandboxNode,
  seller: SandboxNode,
  terms: { chain: SimulatedChain; sats: bigint; nowSeconds: () => number },
): Promise<void> {
  const { chain, nowSeconds } = terms
  await until(() => buyer.connected && seller.connected)
  buyer.openChannel(seller.nodeId, terms.sats)
  await until(() => chain.mempoolSize > 0)
  chain.mine(nowSeconds())
  await until(() => buyer.channel() !== undefined && seller.channel() !== undefined)
  // the peer's channel_update comes after the channel is usable
  await until(() => hasRouteHint(seller) && hasRouteHint(buyer))
}

function hasRouteHint(node: SandboxNode): boolean {
  return node.createInvoice({ amountMsat: 1n, memo: '', expirySeconds: 60 }).routeHints > 0
}

async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + OPENING_MS
  while (!holds()) {
    if (performance.now() > end) {
      throw new L402Error('lightning_unavailable', 'sandbox Lightning did not open its channel in time')
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
