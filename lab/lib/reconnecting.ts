/** A node that comes back finds its peer at once: by itself lnd waits for that, longer each time, up to minutes. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { LabNetwork, LabNode } from './lightning.ts'

const MOST_MS = 180_000
const PAUSE_MS = 500
/** A channel that has not come up after so many looks is begun again on a new connection. */
const ANEW_EVERY = 40

/**
 * The same network, whose `start` ends when both nodes call their channel active. Throws what they say of it where that is
 * not so after three minutes.
 */
export function reconnecting(network: LabNetwork): LabNetwork {
  const down = new Set<string>()
  const { seller, buyer } = network.nodes
  return {
    ...network,
    async stop(name) {
      down.add(name)
      await network.stop(name)
    },
    async kill(name) {
      down.add(name)
      await network.kill(name)
    },
    async start(name) {
      await network.start(name)
      down.delete(name)
      const end = Date.now() + MOST_MS
      for (let look = 1; down.size === 0; look++) {
        if (await connected(buyer, seller, look % ANEW_EVERY === 0).catch(() => false)) return
        if (Date.now() > end)
          throw new Error(`the channel is not back: ${await standing(seller)}; ${await standing(buyer)}`)
        await sleep(PAUSE_MS)
      }
    },
  }
}

/** Whether both ends call their channel active; connects them where it is not. */
async function connected(from: LabNode, to: LabNode, anew: boolean): Promise<boolean> {
  if ((await active(from, to)) && (await active(to, from))) return true
  if (anew) await from.call('DELETE', `/v1/peers/${to.pubkey}`).catch(() => {})
  await from.call('POST', '/v1/peers', { addr: { pubkey: to.pubkey, host: to.p2p } }).catch(() => {})
  return false
}

async function active(node: LabNode, peer: LabNode): Promise<boolean> {
  const { channels } = (await node.call('GET', '/v1/channels')) as {
    channels?: readonly { active?: boolean; remote_pubkey?: string }[]
  }
  return channels?.some((one) => one.remote_pubkey === peer.pubkey && one.active === true) === true
}

async function standing(node: LabNode): Promise<string> {
  const [channels, peers] = await Promise.all(
    ['/v1/channels', '/v1/peers'].map((path) => node.call('GET', path).catch(String)),
  )
  return `${node.name}: ${JSON.stringify({ channels, peers }).slice(0, 2_000)}`
}
