/** gRPC unary calls of grpc-js clients through the proxies to a grpc-js server. */
import { buyCredential } from '../lib/peers.ts'
import { type Kind, runSection } from '../lib/section.ts'
import type { ProxySection } from './stage.ts'

export const grpc: ProxySection = {
  name: 'grpc',
  kinds: ['grpc-free', 'grpc-pass', 'grpc-nginx', 'grpc-caddy'],
  async run(stage) {
    const { gateway, nginx, caddy } = stage
    const authorization = await buyCredential(gateway, '/bench.Paid/Echo')
    const kind = (pid: number, url: string): Kind => ({
      pid,
      url,
      authorization,
      protocol: 'grpc',
      connections: 4,
      streams: 16,
      expected: 200,
    })
    await runSection(
      {
        title: 'gRPC unary, 4 connections with 16 calls at once each',
        kinds: stage.pick([
          ['grpc-free', kind(gateway.pid, `${gateway.url}/bench.Free/Echo`)],
          ['grpc-pass', kind(gateway.pid, `${gateway.url}/bench.Paid/Echo`)],
          ['grpc-nginx', nginx && kind(nginx.pid, `${nginx.h2}/bench.Paid/Echo`)],
          ['grpc-caddy', caddy && kind(caddy.pid, `${caddy.h2}/bench.Paid/Echo`)],
        ]),
        ratios: [
          { key: 'cpuMicros', top: 'grpc-pass', bottom: 'grpc-free', note: 'reach: 1.10 or less' },
          { key: 'cpuMicros', top: 'grpc-pass', bottom: 'grpc-nginx' },
          { key: 'cpuMicros', top: 'grpc-pass', bottom: 'grpc-caddy' },
        ],
      },
      stage.plan,
    )
  },
}
