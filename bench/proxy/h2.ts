/** HTTP/2 without TLS to the proxies, HTTP/1.1 behind them. */
import { type Kind, runSection } from '../lib/section.ts'
import type { ProxySection } from './stage.ts'

export const h2: ProxySection = {
  name: 'h2',
  kinds: ['h2-free', 'h2-pass', 'h2-nginx', 'h2-caddy'],
  async run(stage) {
    const { gateway, nginx, caddy, pass } = stage
    const kind = (pid: number, url: string): Kind => ({
      pid,
      url,
      authorization: pass,
      protocol: 'h2',
      connections: 4,
      streams: 16,
      expected: 200,
    })
    await runSection(
      {
        title: 'HTTP/2, 4 connections with 16 requests at once each',
        kinds: stage.pick([
          ['h2-free', kind(gateway.pid, `${gateway.url}/free/x`)],
          ['h2-pass', kind(gateway.pid, `${gateway.url}/pass/x`)],
          ['h2-nginx', nginx && kind(nginx.pid, `${nginx.h2}/x`)],
          ['h2-caddy', caddy && kind(caddy.pid, `${caddy.h2}/x`)],
        ]),
        ratios: [
          { key: 'cpuMicros', top: 'h2-pass', bottom: 'h2-free', note: 'reach: 1.10 or less' },
          { key: 'cpuMicros', top: 'h2-pass', bottom: 'h2-nginx' },
          { key: 'cpuMicros', top: 'h2-pass', bottom: 'h2-caddy' },
        ],
      },
      stage.plan,
    )
  },
}
