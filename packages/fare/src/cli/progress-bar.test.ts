import { describe, expect, it } from 'vitest'
import { memorySink } from './output.ts'
import { progressLine, progressSink } from './progress-bar.ts'

describe('a progress bar', () => {
  it('shows the part, the size, the speed and the time left', () => {
    const MiB = 1024 * 1024
    expect(progressLine({ bytes: 5 * MiB, total: 10 * MiB, perSecond: MiB })).toBe(
      ' 50 % [============>           ] 5.0 MiB of 10.0 MiB, 1.0 MiB/s, 5 s left',
    )
    expect(progressLine({ bytes: 10, total: 10, perSecond: 0 })).toBe(
      '100 % [========================] 10 B of 10 B',
    )
    expect(progressLine({ bytes: 1536, total: null, perSecond: 512 })).toBe('1.5 KiB, 512 B/s')
    expect(progressLine({ bytes: 20, total: 10, perSecond: Number.POSITIVE_INFINITY })).toBe('20 B')
  })

  it('is drawn ten times a second at most, and gone at the end', async () => {
    let now = 0
    const drawn: string[] = []
    const memory = memorySink()
    const sink = progressSink(memory, {
      draw: (text) => drawn.push(text),
      from: 10,
      total: 110,
      now: () => now,
    })
    for (let i = 0; i < 10; i++) {
      now += 30
      await sink.write(Buffer.alloc(10))
    }
    await sink.close()
    expect(drawn).toHaveLength(4)
    expect(drawn[0]).toContain(' 18 % [')
    expect(drawn.at(-1)).toBe('\r\x1b[K')
    expect(memory.bytes()).toHaveLength(100)
  })
})
