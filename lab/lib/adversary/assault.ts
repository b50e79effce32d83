/** Sends seeded attacks at a gateway, several at a time, and counts what comes back. */

import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { seededRandom } from '../random.ts'
import type { Attack, Shape } from './attack.ts'
import { h1Shapes } from './h1-shapes.ts'
import { readFrames } from './h2-frames.ts'
import { h2Shapes } from './h2-shapes.ts'

/** What is sent, and where. */
export interface AssaultOptions {
  readonly port: number
  readonly requests: number
  readonly seed: number
  /** Whole `Authorization` values; see {@link Materials}. */
  readonly pass: string
  readonly bundle: string
}

/** What came of the attacks of one shape. */
export interface Tally {
  sent: number
  /** Answers, by the first digit of their status. */
  readonly answers: Map<number, number>
  /** Attacks that got no answer. */
  silent: number
  /** All of their time together, and the longest. */
  tookMs: number
  longestMs: number
}

/** What came of all. */
export interface Assault {
  readonly tallies: ReadonlyMap<string, Tally>
  /** Attacks that were answered with 500 or above, or never came to an end. */
  readonly wrongs: readonly string[]
}

const AT_A_TIME = 24
const PAUSE_MS = 3
/** A request that is not whole is answered when nothing more can come. */
const QUIET_MS = 1_000
// A gateway that neither answers nor closes for so long never will; a busy machine may take its time.
const PATIENCE_MS = 120_000

const all = Object.entries({ ...h1Shapes, ...h2Shapes })
const weights = all.reduce((sum, [, [, weight]]) => sum + weight, 0)

/** Sends them all. */
export async function assault(options: AssaultOptions): Promise<Assault> {
  const tallies = new Map<string, Tally>()
  const wrongs: string[] = []
  let next = 0
  const attacker = async (): Promise<void> => {
    while (next < options.requests) {
      const index = next++
      const { name, attack } = attackAt(index, options)
      const tally = tallies.get(name) ?? { sent: 0, answers: new Map(), silent: 0, tookMs: 0, longestMs: 0 }
      tallies.set(name, tally)
      tally.sent++
      const startedAt = performance.now()
      const statuses = await send(options.port, attack)
      const tookMs = performance.now() - startedAt
      tally.tookMs += tookMs
      tally.longestMs = Math.max(tally.longestMs, tookMs)
      if (statuses === 'stuck') wrongs.push(`n${index} (${name}): neither answered nor closed`)
      else {
        if (statuses.length === 0) tally.silent++
        for (const status of statuses) {
          const kind = Math.floor(status / 100)
          tally.answers.set(kind, (tally.answers.get(kind) ?? 0) + 1)
          if (!(status < 500)) wrongs.push(`n${index} (${name}): answered with ${status}`)
        }
      }
    }
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, attacker))
  return { tallies, wrongs }
}

/** One attack on its own: by the seed and the index alone. */
export function attackAt(
  index: number,
  { seed, pass, bundle }: Pick<AssaultOptions, 'seed' | 'pass' | 'bundle'>,
): { name: string; attack: Attack } {
  const random = seededRandom(seed * 1_000_003 + index)
  const { name, make } = shapeAt(random.below(weights))
  return { name, attack: make({ random, probe: probeOf(index), pass, bundle }) }
}

/** The number, and what depends on all of its digits: a number that has lost one is no other attack's. */
function probeOf(index: number): string {
  return `n${index}-${Math.imul(index + 1, 0x9e3779b1) >>> 0}`
}

function shapeAt(weight: number): { name: string; make: Shape } {
  let left = weight
  for (const [name, [make, share]] of all) {
    left -= share
    if (left < 0) return { name, make }
  }
  throw new RangeError('a weight above all of them')
}

/** A table of what came of them. */
export function printTallies({ tallies }: Assault): void {
  for (const [name, { sent, answers, silent, tookMs, longestMs }] of [...tallies].sort())
    console.log(
      `  ${name.padEnd(12)} ${String(sent).padStart(6)} sent; answered ${[...answers]
        .sort()
        .map(([kind, times]) => `${kind}xx ${times}`)
        .join(
          ', ',
        )}${silent > 0 ? `; without an answer ${silent}` : ''}; ${(tookMs / sent).toFixed(0)} ms each, ${longestMs.toFixed(0)} ms at most`,
    )
}

async function send(port: number, { protocol, parts, ending }: Attack): Promise<readonly number[] | 'stuck'> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  const chunks: Buffer[] = []
  const gone = new Promise<'gone'>((resolve) => socket.once('close', () => resolve('gone')))
  let timer: NodeJS.Timeout | undefined
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    // Where the connection is kept there is no other sign of the end.
    timer?.refresh()
    if (protocol === 'h2' && readFrames(Buffer.concat(chunks)).over) socket.destroy()
  })
  for (const [i, part] of parts.entries()) {
    if (i > 0) await pause(PAUSE_MS)
    if (!socket.destroyed) socket.write(Buffer.from(part, 'latin1'))
  }
  if (ending === 'leaves') socket.destroy()
  else if (ending === 'ends') socket.end()
  else timer = setTimeout(() => (protocol === 'h2' ? socket.destroy() : socket.end()), QUIET_MS)
  const patience = new AbortController()
  const outcome = await Promise.race([
    gone,
    pause(PATIENCE_MS, 'stuck' as const, { signal: patience.signal }).catch(() => 'gone' as const),
  ])
  patience.abort()
  clearTimeout(timer)
  socket.destroy()
  if (outcome === 'stuck') return 'stuck'
  const bytes = Buffer.concat(chunks)
  if (protocol === 'h2' && !bytes.subarray(0, 5).equals(Buffer.from('HTTP/')))
    return readFrames(bytes).statuses
  // No body has such a line in it.
  return [...bytes.toString('latin1').matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
}
