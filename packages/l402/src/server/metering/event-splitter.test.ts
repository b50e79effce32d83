import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeUtf8 } from '../../core/bytes.ts'
import { type EventPiece, eventSplitter } from './event-splitter.ts'
import { eventStream } from './event-stream.ts'

const text = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
const shown = (pieces: readonly EventPiece[]) => pieces.map(({ bytes, kind }) => [kind, text(bytes)])

/** Cuts a text at these places and splits what comes of it. */
function split(stream: string, cuts: readonly number[] = []) {
  const bytes = encodeUtf8(stream)
  const splitter = eventSplitter()
  const pieces: EventPiece[] = []
  let from = 0
  for (const to of [...cuts.filter((cut) => cut < bytes.length), bytes.length].toSorted((a, b) => a - b)) {
    const chunk = bytes.slice(from, to)
    for (const { bytes, kind } of splitter.push(chunk)) pieces.push({ bytes: bytes.slice(), kind })
    // The memory belongs to the caller.
    chunk.fill(0)
    from = to
  }
  const rest = splitter.rest()
  return { pieces, rest: rest === undefined ? [] : [rest] }
}

describe('a stream of events', () => {
  it('is cut behind each blank line, whatever ends its lines', () => {
    expect(shown(split('data: a\n\ndata: b\r\n\r\ndata: c\r\rdata: d\n\n').pieces)).toEqual([
      ['data', 'data: a\n\n'],
      ['data', 'data: b\r\n\r\n'],
      ['data', 'data: c\r\r'],
      ['data', 'data: d\n\n'],
    ])
  })

  it('tells events from comments, and the one that says that it is over', () => {
    const kinds = (stream: string) => split(stream).pieces.map(({ kind }) => kind)
    expect(kinds(': hello\n\n')).toEqual(['other'])
    expect(kinds('event: ping\nid: 1\n\n\n')).toEqual(['other', 'other'])
    expect(kinds('data\n\ndata:\n\n')).toEqual(['data', 'data'])
    expect(kinds('datum: 1\n\ndata1: 1\n\n data: 1\n\n')).toEqual(['other', 'other', 'other'])
    expect(kinds('id: 7\ndata: [DONE]\n\ndata:[DONE]\r\n\r\n')).toEqual(['done', 'done'])
    expect(kinds('data: [DONE] \n\nxdata: [DONE]\n\ndata: [DONE]\ndata: more\n\n')).toEqual([
      'data',
      'other',
      'data',
    ])
  })

  it('keeps what has begun, and gives it back at the end', () => {
    const { pieces, rest } = split('data: a\n\ndata: b\ndata: c', [3, 11])
    expect(shown(pieces)).toEqual([['data', 'data: a\n\n']])
    expect(shown(rest)).toEqual([['data', 'data: b\ndata: c']])
    expect(split('data: a\n\n').rest).toEqual([])
  })

  it('begins without a byte order mark, which would be none behind another event', () => {
    for (const cuts of [[], [1], [2], [1, 2, 3]])
      expect(shown(split('\uFEFFdata: a\n\n', cuts).pieces)).toEqual([['data', 'data: a\n\n']])
    // The first two bytes of the mark, and then another letter.
    expect(shown(split('\uFEFEdata: a\n\n', [1]).pieces)).toEqual([['other', '\uFEFEdata: a\n\n']])
  })

  it('gives the bytes of an event that is too long to keep as they come', () => {
    const long = `data: ${'x'.repeat(2 ** 20)}`
    const { pieces } = split(`${long}\n\ndata: b\n\n`, [10, long.length])
    expect(pieces.map(({ kind, bytes }) => [kind, bytes.length])).toEqual([
      ['part', long.length],
      ['data', 2],
      ['data', 9],
    ])
  })

  it('loses and adds no byte, and sees the events that its readers see, wherever it is cut', () => {
    const line = fc.oneof(
      fc.constantFrom('data: 1', 'data:[DONE]', 'data:', ': c', 'event: x', 'dat', 'data : 1', ''),
      fc.string({ unit: 'binary', maxLength: 4 }).map((odd) => odd.replace(/^\uFEFF+/, '')),
    )
    const stream = fc
      .array(fc.tuple(line, fc.constantFrom('\n', '\r', '\r\n', '\n\n', '\r\n\r\n')), { maxLength: 12 })
      .map((lines) => lines.flat().join(''))
    fc.assert(
      fc.property(stream, fc.array(fc.nat(80)), (whole, cuts) => {
        const { pieces, rest } = split(whole, cuts)
        const all = [...pieces, ...rest]
        expect(all.map(({ bytes }) => text(bytes)).join('')).toBe(
          text(encodeUtf8(whole)).replace(/^\uFEFF/, ''),
        )
        const seen: string[] = []
        const reader = eventStream((data) => seen.push(data))
        reader.push(encodeUtf8(whole))
        reader.end()
        const told = all.filter(({ kind }) => kind === 'data' || kind === 'done')
        expect(told).toHaveLength(seen.length)
        expect(told.map(({ kind }) => kind === 'done')).toEqual(seen.map((data) => data === '[DONE]'))
      }),
      { numRuns: 2_000 },
    )
  })
})
