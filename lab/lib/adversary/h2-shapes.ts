/** Hostile requests over HTTP/2, frame by frame. */

import {
  forgedAddresses,
  forgedIdentities,
  overrides,
  spellings,
} from '../../../packages/gateway/test/e2e/hostile-requests.ts'
import type { Random } from '../random.ts'
import type { Attack, Shape } from './attack.ts'
import { dataFrame, FRAME, frame, HELLO, headFrames, type RawLine } from './h2-frames.ts'

const PATHS = ['/free/x', '/paid/x', '/pass/x'] as const

function pseudo({ path = '/free/x', method = 'GET', authority = 'a', scheme = 'http' }): RawLine[] {
  return [
    [':method', method],
    [':scheme', scheme],
    [':authority', authority],
    [':path', path],
  ]
}

const h2 = (...parts: readonly string[]): Attack => ({ protocol: 'h2', parts, ending: 'listens' })
const head = (lines: readonly RawLine[]): Attack => h2(HELLO + headFrames(lines, { end: true }))

/** The path spellings of HTTP/1.1, in `:path`. */
const spelling: Shape = ({ random, probe }) => {
  const [target] = random.pick(spellings)
  const method = random.pick(['GET', 'HEAD', 'POST'])
  return head([...pseudo({ path: target, method }), ['x-probe', probe]])
}

/** Pseudo-header lines twice, missing, late or unknown. */
const pseudoLines: Shape = ({ random, probe }) => {
  const own: RawLine = ['x-probe', probe]
  const lines = pseudo({ path: random.pick(PATHS) })
  const line = (): RawLine =>
    random.pick<RawLine>([
      [':path', '/paid/x'],
      [':path', ''],
      [':method', 'POST'],
      [':authority', 'shop.test'],
      [':scheme', 'http://a/paid/x?'],
      [':status', '200'],
      [':protocol', 'websocket'],
      [':unknown', 'x'],
      [':method', 'GET /paid/x HTTP/1.1\r\nhost: a\r\n\r\nGET'],
      [':path', '/free/x HTTP/1.1\r\nhost: a\r\n\r\nGET /paid/x'],
      [':path', '/free/x /paid/x'],
      [':authority', 'a\r\nx-l402-token-id: smuggled'],
    ])
  const at = random.below(lines.length)
  return random.pick([
    () => head([...lines, line(), own]),
    () => head([...lines, own, line()]),
    () => head([...lines.slice(0, at), ...lines.slice(at + 1), own]),
    () => head([...lines.slice(0, at), line(), ...lines.slice(at + 1), own]),
  ])()
}

/** Lines that HTTP/1.1 would read as something else. */
const lines: Shape = ({ random, probe }) => {
  const forged = [...forgedIdentities, ...forgedAddresses, ...overrides].map((name) => name.toLowerCase())
  const line = (): RawLine =>
    random.pick<() => RawLine>([
      () => ['transfer-encoding', 'chunked'],
      () => ['connection', random.pick(['close', 'x-probe', 'keep-alive, host'])],
      () => ['upgrade', 'websocket'],
      () => ['te', random.pick(['gzip', 'trailers, chunked'])],
      () => ['X-Upper', 'case'],
      () => ['host', random.pick(['shop.test', 'a', 'a, b', ''])],
      () => ['x a', 'b'],
      () => ['x:a', 'b'],
      () => ['', 'b'],
      () => ['x-a\r\nx-l402-token-id', 'smuggled'],
      () => ['x-a', 'b\r\nx-l402-token-id: smuggled'],
      () => ['x-a', `b\r\n\r\nGET /paid/x HTTP/1.1\r\nx-probe: ${probe}h\r\n\r\n`],
      () => ['x-a', 'b\nc\0d'],
      () => ['x-a', ` b `],
      () => [random.pick(forged), 'smuggled'],
      () => ['authorization', `L402 ${'A'.repeat(80)}:${'0'.repeat(64)}`],
      () => ['x-a', 'a'.repeat(random.below(120_000))],
    ])()
  const more = Array.from({ length: 1 + random.below(2) }, line)
  return head([...pseudo({ path: random.pick(PATHS) }), ['x-probe', probe], ...more])
}

/** Lengths that are not the body's, and frames where none belong. */
const bodies: Shape = ({ random, probe }) => {
  const length = random.pick(['0', '3', '5', '99', '-1', '5, 5', 'x', '+5', '5 '])
  const begun = (more: readonly RawLine[], end = false): string =>
    HELLO +
    headFrames([...pseudo({ method: 'POST', path: random.pick(PATHS) }), ['x-probe', probe], ...more], {
      end,
    })
  const hidden = `GET /paid/x HTTP/1.1\r\nhost: a\r\nx-probe: ${probe}h\r\n\r\n`
  return random.pick([
    () => h2(begun([['content-length', length]]) + dataFrame('hello', true)),
    () =>
      h2(
        begun([
          ['content-length', '5'],
          ['content-length', length],
        ]) + dataFrame('hello', true),
      ),
    () => h2(begun([]) + dataFrame(hidden, true)),
    () => h2(begun([], true) + dataFrame(hidden, true)),
    () =>
      h2(
        begun([]) + dataFrame('he', false),
        headFrames(
          [
            ['x-l402-token-id', 'smuggled'],
            [':path', '/paid/x'],
          ],
          { end: true },
        ),
      ),
    () =>
      h2(begun([]) + dataFrame('he', false), headFrames([['x-l402-token-id', 'smuggled']], { end: true })),
    () => h2(begun([]) + dataFrame('he', false), headFrames([['x-a', 'b']], { end: false })),
    () => h2(begun([]) + dataFrame('he', false) + frame(FRAME.reset, { stream: 1, payload: '\0\0\0\x08' })),
    () => ({ ...h2(begun([['content-length', '9']]) + dataFrame('he', false)), ending: 'leaves' as const }),
  ])()
}

/** Bytes that are no frames any more. */
const broken: Shape = ({ random, probe }) => {
  const bytes =
    HELLO + headFrames([...pseudo({ path: random.pick(PATHS) }), ['x-probe', probe]], { end: true })
  return h2(mutate(bytes, random))
}

function mutate(bytes: string, random: Random): string {
  let out = bytes
  for (let edits = 1 + random.below(3); edits > 0; edits--) {
    const at = random.below(out.length)
    out = out.slice(0, at) + String.fromCharCode(random.below(256)) + out.slice(at + random.below(3))
  }
  return out
}

/** All kinds with how often each comes. */
export const h2Shapes: Readonly<Record<string, readonly [shape: Shape, weight: number]>> = {
  'h2 spelling': [spelling, 8],
  'h2 pseudo': [pseudoLines, 8],
  'h2 lines': [lines, 8],
  'h2 bodies': [bodies, 8],
  'h2 broken': [broken, 6],
}
