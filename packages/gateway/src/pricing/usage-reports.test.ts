import type { Usage } from '@turnpike/l402/server'
import { describe, expect, it, vi } from 'vitest'
import type { PricesClient } from './prices-client.ts'
import { usageReports } from './usage-reports.ts'

const USAGE: Usage = {
  tokenId: 'aa',
  service: 'demo',
  path: '/',
  status: 200,
  contentType: '',
  contentEncoding: '',
  complete: true,
  tail: new Uint8Array(0),
  reserved: 0n,
}

function failing(times: number): PricesClient & { calls: number } {
  const self = {
    calls: 0,
    call: async () => {
      self.calls++
      if (self.calls <= times) throw new Error('unavailable')
      return {} as never
    },
    close: () => {},
  }
  return self
}

describe('usage reports', () => {
  it('are sent again until they are taken', async () => {
    const onLost = vi.fn()
    const reports = usageReports({ retryMs: [1, 1, 1, 1], onLost })
    const client = failing(3)
    reports.send(client, USAGE)
    await vi.waitFor(() => expect(reports.pending).toBe(0))
    expect(client.calls).toBe(4)
    expect(onLost).not.toHaveBeenCalled()
  })

  it('that nobody takes are counted as lost', async () => {
    const onLost = vi.fn()
    const reports = usageReports({ retryMs: [1, 1], onLost })
    const client = failing(99)
    for (let i = 0; i < 3; i++) reports.send(client, USAGE)
    await vi.waitFor(() => expect(reports.pending).toBe(0))
    expect(client.calls).toBe(9)
    expect(onLost).toHaveBeenLastCalledWith(3)
  })

  it('wait in bounded memory', async () => {
    const onLost = vi.fn()
    const reports = usageReports({ retryMs: [60_000], mostPending: 2, onLost })
    const client = failing(99)
    for (let i = 0; i < 5; i++) reports.send(client, USAGE)
    expect(reports.pending).toBe(2)
    expect(onLost).toHaveBeenLastCalledWith(3)
    await reports.drain(1_000)
    expect(onLost).toHaveBeenLastCalledWith(5)
    expect(reports.pending).toBe(0)
  })
})
