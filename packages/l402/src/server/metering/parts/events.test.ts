import { describe, expect, it } from 'vitest'
import { encodeUtf8 } from '../../../core/bytes.ts'
import { eventsPart } from './events.ts'

function costOf(type: string, ...chunks: readonly string[]) {
  const part = eventsPart({ msat: 2000n, per: 1n })
  part.head?.(['Content-Type', type])
  for (const chunk of chunks) part.chunk?.(encodeUtf8(chunk))
  return part.cost()
}

describe('events', () => {
  it('are counted when they are whole, without comments and the one that says that it is over', () => {
    const events = ['data: a\n', '\ndata: b\n\n', ': wait\n\n', 'data: c\n']
    expect(costOf('text/event-stream; charset=utf-8', ...events)).toBe(4000n)
    expect(costOf('text/event-stream', ...events, '\ndata: [DONE]\n\n')).toBe(6000n)
  })

  it('are one in any other answer with a body', () => {
    expect(costOf('application/json', '{"a":', '1}')).toBe(2000n)
    expect(costOf('text/event-stream')).toBe(0n)
    expect(costOf('application/json')).toBe(0n)
  })
})
