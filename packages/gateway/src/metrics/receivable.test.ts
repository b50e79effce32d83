import { L402Error } from '@turnpike/l402'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { parseConfig } from '../config/load.ts'
import { createMetrics } from './metrics.ts'
import { type Receivable, type ReceivableOptions, watchReceivable } from './receivable.ts'

const config = parseConfig(
  `services:
  a: { upstream: sample, routes: [{ match: /x, price: 1 sat }, { match: /y, price: 5 sat }, { match: /z, free: true }] }
`,
  { file: 'turnpike.yaml', folder: '/', env: {}, sandbox: true },
)
const open: Receivable[] = []
afterEach(() => {
  for (const one of open.splice(0)) one.close()
})

function watch(receivableMsat: ReceivableOptions['backend']['receivableMsat'], everyMs = 60_000) {
  const metrics = createMetrics(undefined)
  const warn = vi.fn()
  const backend = receivableMsat === undefined ? {} : { receivableMsat }
  const watched = watchReceivable({ backend, config: () => config, metrics, log: { warn }, everyMs })
  open.push(watched)
  const gauge = async (): Promise<string | undefined> =>
    /^turnpike_lightning_receivable_msat (.*)$/m.exec((await metrics.expose()).text)?.[1]
  return { watched, warn, gauge }
}

describe('what the node can receive', () => {
  it('is a warning where it is less than the dearest fixed price, told once to the log', async () => {
    let asked = 0
    const { watched, warn, gauge } = watch(async () => {
      asked++
      return 4_999n
    }, 1)
    await vi.waitFor(() => expect(asked).toBeGreaterThan(3))
    expect(watched.warning()).toBe('the node can receive 4999 msat, less than the dearest price of 5 sat')
    expect(await gauge()).toBe('4999')
    expect(warn).toHaveBeenCalledTimes(1)
  })

  it('is none where it is just enough', async () => {
    const { watched, warn, gauge } = watch(async () => 5_000n)
    await expect.poll(gauge).toBe('5000')
    expect(watched.warning()).toBeUndefined()
    expect(warn).not.toHaveBeenCalled()
  })

  it('is not known of a node that does not say, or that has stopped saying', async () => {
    const silent = watch(async () => null)
    expect(await silent.gauge()).toBe('Nan')
    expect(silent.watched.warning()).toBeUndefined()
    let down = false
    const failing = watch(async () => {
      if (down) throw new L402Error('lightning_unavailable', 'gone')
      return 1n
    }, 1)
    await expect.poll(failing.gauge).toBe('1')
    down = true
    await expect.poll(failing.gauge).toBe('Nan')
    expect(failing.watched.warning()).toBeUndefined()
  })

  it('has no gauge with a backend that never says', async () => {
    expect(await watch(undefined).gauge()).toBeUndefined()
  })

  it('is not asked for again while an answer is awaited, nor by a scrape', async () => {
    let asked = 0
    const { gauge, watched } = watch(() => {
      asked++
      return new Promise(() => {})
    }, 1)
    const ticks = vi.fn()
    const timer = setInterval(ticks, 1)
    await vi.waitFor(() => expect(ticks.mock.calls.length).toBeGreaterThan(5))
    clearInterval(timer)
    expect(await gauge()).toBe('Nan')
    expect(watched.warning()).toBeUndefined()
    expect(asked).toBe(1)
  })
})
