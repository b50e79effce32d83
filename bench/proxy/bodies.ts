/** Answers of 64 KiB and 1 MiB over HTTP/1.1. */
import type { Peer } from '../lib/peer.ts'
import { type Kind, runSection } from '../lib/section.ts'
import type { ProxySection } from './stage.ts'

const SIZES = ['64k', '1m'] as const

export const bodies: ProxySection = {
  name: 'bodies',
  kinds: SIZES.flatMap((size) => ['free', 'pass', 'nginx'].map((kind) => `${size}-${kind}`)),
  async run(stage) {
    const { gateway, nginx } = stage
    const kind = (peer: Peer, path: string): Kind => ({
      pid: peer.pid,
      url: peer.url + path,
      authorization: stage.pass,
      connections: 16,
      expected: 200,
      timed: 1,
    })
    await runSection(
      {
        title: 'bodies of 64 KiB and 1 MiB, 16 connections',
        kinds: stage.pick(
          SIZES.flatMap((size) => [
            [`${size}-free`, kind(gateway, `/free/${size}`)] as const,
            [`${size}-pass`, kind(gateway, `/pass/${size}`)] as const,
            [`${size}-nginx`, nginx && kind(nginx, `/${size}`)] as const,
          ]),
        ),
        ratios: SIZES.flatMap((size) => [
          { key: 'cpuMicros', top: `${size}-pass`, bottom: `${size}-free`, note: 'reach: 1.10 or less' },
          { key: 'cpuMicros', top: `${size}-pass`, bottom: `${size}-nginx` },
        ]),
      },
      stage.plan,
    )
  },
}
