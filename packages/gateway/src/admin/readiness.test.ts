import { describe, expect, it } from 'vitest'
import { readinessProbe } from './readiness.ts'

describe('readiness', () => {
  it('needs every check, and names each one', async () => {
    const probe = readinessProbe(
      {
        store: async () => {},
        lightning: async () => {
          throw new Error('no node')
        },
      },
      () => false,
    )
    expect(await probe()).toEqual({
      ready: false,
      draining: false,
      checks: { store: 'ok', lightning: 'failed' },
    })
  })

  it('does not wait for a check that never ends', async () => {
    const probe = readinessProbe({ store: () => new Promise(() => {}) }, () => false, 5)
    expect(await probe()).toEqual({ ready: false, draining: false, checks: { store: 'slow' } })
  })

  it('asks once for callers that come together, and again later', async () => {
    let asked = 0
    const probe = readinessProbe(
      {
        store: async () => {
          asked += 1
        },
      },
      () => true,
    )
    const [first] = await Promise.all([probe(), probe(), probe()])
    expect(first).toEqual({ ready: false, draining: true, checks: { store: 'ok' } })
    expect(asked).toBe(1)
    await probe()
    expect(asked).toBe(2)
  })
})
