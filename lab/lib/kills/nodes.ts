/** The two nodes of a suite that kills them: up again, and what they still call under way. */

import type { LabNetwork, LabNode } from '../lightning.ts'

/** What lnd does about payments when it is told to: stops both nodes in order, starts them, and lets ten blocks pass. */
export async function restartInOrder(network: LabNetwork): Promise<void> {
  for (const name of ['buyer', 'seller']) {
    await network.stop(name)
    await network.start(name)
  }
  await network.mine(10)
}

/**
 * The payment hashes of what a node calls in flight although no channel holds anything for it. An lnd that is killed
 * between writing down an attempt and adding it to its channel waits for the end of that attempt for good, over restarts
 * and past every time-lock (tried with 310 blocks; lightningnetwork/lnd#9340). The payee never saw it.
 */
export async function lostAttempts({ nodes: { seller, buyer } }: LabNetwork): Promise<readonly string[]> {
  const inFlight = await inFlightAt(buyer)
  const held = new Set((await Promise.all([buyer, seller].map(hashesInChannels))).flat())
  return inFlight.filter((hash) => !held.has(hash))
}

/** The payment hashes of what a node calls in flight. */
export async function inFlightAt(node: LabNode): Promise<readonly string[]> {
  const { payments } = (await node.call(
    'GET',
    '/v1/payments?include_incomplete=true&max_payments=10000',
  )) as { payments: { status: string; payment_hash: string }[] }
  return payments
    .filter(({ status }) => status === 'IN_FLIGHT' || status === 'INITIATED')
    .map(({ payment_hash }) => payment_hash)
}

async function hashesInChannels(node: LabNode): Promise<readonly string[]> {
  const { channels } = (await node.call('GET', '/v1/channels')) as {
    channels: { pending_htlcs: { hash_lock: string }[] }[]
  }
  return channels.flatMap(({ pending_htlcs }) =>
    pending_htlcs.map(({ hash_lock }) => Buffer.from(hash_lock, 'base64').toString('hex')),
  )
}
