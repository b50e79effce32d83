import { expect, it } from 'vitest'
import { upgradeProblem } from './find-route.ts'

it('a WebSocket goes to no group of which a member speaks HTTP/2, whichever comes first', () => {
  const head = { hasBody: false, upgrade: 'websocket' } as const
  const [h1, h2c] = ['http://127.0.0.1:1', 'h2c://127.0.0.1:2'].map((origin) => ({ origin, basePath: '' }))
  if (h1 === undefined || h2c === undefined) throw new Error('no upstreams')
  const group = { service: 'demo', balance: 'round-robin', retries: 0 } as const
  expect(upgradeProblem(head, { upstream: h1 })).toBeUndefined()
  expect(upgradeProblem(head, { upstream: h1, group: { ...group, targets: [h1, h1] } })).toBeUndefined()
  const mixed = { upstream: h1, group: { ...group, targets: [h1, h2c] } }
  expect(upgradeProblem(head, mixed)?.code).toBe(upgradeProblem(head, { upstream: h2c })?.code)
  expect(upgradeProblem(head, mixed)?.code).toBeDefined()
})
