/** `workers: 2` against `workers: 1`. Both may use all cores, which they share with the load and the upstream. */
import { availableParallelism } from 'node:os'
import { buyCredential, type GatewayPeer, startGateway } from '../lib/peers.ts'
import { type Kind, runSection } from '../lib/section.ts'
import type { ProxySection } from './stage.ts'

export const workers: ProxySection = {
  name: 'workers',
  kinds: ['workers-1', 'workers-2'],
  async run(stage) {
    const start = (count: number) => startGateway(stage.upstream.url, { workers: count, cores: 'all' })
    const [one, two] = await Promise.all([start(1), start(2)])
    const kind = async (gateway: GatewayPeer): Promise<Kind> => ({
      pid: gateway.pid,
      url: `${gateway.url}/pass/x`,
      authorization: await buyCredential(gateway, '/pass/x'),
      connections: 64,
      expected: 200,
    })
    const cores = availableParallelism()
    await runSection(
      {
        title: `workers, HTTP/1.1, 64 connections, ${cores} cores`,
        kinds: stage.pick([
          ['workers-1', await kind(one)],
          ['workers-2', await kind(two)],
        ]),
        ratios: [
          { key: 'perSecond', top: 'workers-2', bottom: 'workers-1' },
          { key: 'cpuMicros', top: 'workers-2', bottom: 'workers-1' },
        ],
      },
      stage.plan,
    )
    if (cores < 4)
      console.log(
        `\nload and upstream take their share of ${cores} cores: a second worker cannot add much here`,
      )
    await Promise.all([one.stop(), two.stop()])
  },
}
