import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeUtf8 } from '../../core/bytes.ts'
import { eventStream } from './event-stream.ts'

function dataOf(...chunks: readonly (string | Uint8Array)[]): readonly string[] {
  const found: string[] = []
  const stream = eventStream((data) => found.push(data))
  for (const chunk of chunks) stream.push(typeof chunk === 'string' ? encodeUtf8(chunk) : chunk)
  stream.end()
  return found
}

describe('an event stream', () => {
  it.each(['\n', '\r\n', '\r'])('is read with lines that end in %j', (end) => {
    const lines = [
      'event: ping',
      'id: 7',
      ': a comment',
      'data: one',
      'data:two',
      'data:  three',
      '',
      '',
      'data: 4',
      '',
    ]
    expect(dataOf(lines.map((line) => line + end).join(''))).toEqual(['one\ntwo\n three', '4'])
  })

  it('may begin with a byte order mark, and end in the middle of an event', () => {
    expect(dataOf('\ufeffdata: 1\n\ndata: 2')).toEqual(['1', '2'])
    expect(dataOf('data: 1\n\ndata: 2\ndata: 3\n')).toEqual(['1', '2\n3'])
  })

  it('has other fields, which are no data', () => {
    expect(dataOf('data\ndatabase: 1\n data: 2\nDATA: 3\nretry: 4\n\n')).toEqual([])
    expect(dataOf('data:\n\ndata: \n\n')).toEqual(['', ''])
  })

  it('skips a line of more than a mebibyte, and an event of more', () => {
    const long = 'x'.repeat(2 ** 20)
    const line = 'x'.repeat(2 ** 19)
    expect(dataOf(`data: ${long}\n\ndata: 1\n\n`)).toEqual(['1'])
    expect(dataOf(`data: ${long.slice(6)}\n\n`)).toEqual([long.slice(6)])
    expect(dataOf(`data: ${long}`, long, long, '\n\n', 'data: 1\n', `:${long}`, `${long}\n`)).toEqual(['1'])
    expect(dataOf(`data: ${line}\ndata: ${line}\ndata: 2\n\ndata: 1\n\n`)).toEqual(['1'])
  })

  it('is the same however it is cut', () => {
    const pieces = fc.constantFrom(
      'data: ',
      'data:',
      'é😀',
      '\n',
      '\r\n',
      '\r',
      '\n\n',
      ': c',
      '\ufeff',
      '{"a":1}',
      '[DONE]',
    )
    fc.assert(
      fc.property(fc.array(pieces), fc.array(fc.nat({ max: 7 })), (parts, cuts) => {
        const bytes = encodeUtf8(parts.join(''))
        const chunks: Uint8Array[] = []
        let at = 0
        for (const cut of cuts) {
          chunks.push(bytes.subarray(at, at + cut))
          at += cut
        }
        chunks.push(bytes.subarray(at))
        expect(dataOf(...chunks)).toEqual(dataOf(bytes))
        expect(dataOf(...[...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(dataOf(bytes))
      }),
    )
  })

  // Concatenating as they come would copy half a terabyte here.
  it('is read in linear time, byte by byte', () => {
    const found: number[] = []
    const stream = eventStream((data) => found.push(data.length))
    const byte = encodeUtf8('x')
    const name = encodeUtf8('data:')
    const end = encodeUtf8('\n')
    stream.push(name)
    for (let i = 0; i < 2 ** 20 - 5; i++) stream.push(byte)
    stream.push(end)
    stream.push(end)
    for (let i = 0; i < 2 ** 20; i++) stream.push(byte)
    for (let i = 0; i < 2 ** 18; i++) {
      stream.push(end)
      stream.push(name)
    }
    stream.end()
    expect(found).toEqual([2 ** 20 - 5, 2 ** 18 - 1])
  })
})
