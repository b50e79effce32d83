import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, expect, it, vi } from 'vitest'
import type { Ledger } from '../src/stores/ledger.ts'
import { sqliteStore } from '../src/stores/sqlite/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'turnpike-processes-'))
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0
const freshFile = (): string => join(folder, `${++files}.db`)
const counter = (n: number): Uint8Array => new Uint8Array(32).fill(n)

const children: ChildProcess[] = []
afterEach(async () => {
  for (const child of children.splice(0)) await kill(child)
})

const program = fileURLToPath(new URL('./ledger-child.ts', import.meta.url))

interface Child {
  readonly process: ChildProcess
  /** What it has said, line by line; complete once `ended` has resolved. */
  readonly lines: string[]
  readonly ended: Promise<number | null>
  /** Resolves once it has said `count` lines. */
  said(count: number): Promise<void>
}

function start(mode: string, file: string): Child {
  const process_ = spawn(process.execPath, ['--conditions=turnpike:source', program, mode, file], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  children.push(process_)
  const lines: string[] = []
  let rest = ''
  process_.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts)
    process_.stdout.emit('lines')
  })
  const ended = once(process_, 'close').then(([code]) => code as number | null)
  return {
    process: process_,
    lines,
    ended,
    async said(count): Promise<void> {
      while (lines.length < count) {
        const more = once(process_.stdout, 'lines').then(() => true)
        if (!(await Promise.race([more, ended.then(() => false)])))
          throw new Error(`the child ended early: ${lines.join(' ')}`)
      }
    },
  }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'close')
}

async function usedOf(ledger: Ledger, ...counters: readonly number[]): Promise<number[]> {
  return (await ledger.read(counters.map(counter))).map(({ used }) => Number(used))
}

const leftovers = (): string[] => readdirSync(folder).filter((name) => name.startsWith(`${files}.db.owner-`))

it('admits exactly as many as the limit when several processes ask for more (rule 2)', async () => {
  const file = freshFile()
  const racers = Array.from({ length: 4 }, () => start('burst', file))
  await Promise.all(racers.map((racer) => racer.said(1)))
  for (const racer of racers) racer.process.stdin?.write('go\n')
  expect(await Promise.all(racers.map(({ ended }) => ended))).toEqual([0, 0, 0, 0])
  const said = racers.map(({ lines }) => lines[1] ?? '')
  const admitted = said.reduce((sum, line) => sum + Number(line.replace('admitted ', '')), 0)
  const ledger = sqliteStore({ file })
  expect(await usedOf(ledger, 1, 2)).toEqual([admitted, admitted])
  expect(admitted).toBeLessThanOrEqual(100)
  // Places given back late may find nobody left to take them; whoever asks now gets exactly those.
  const redemption = { paymentHash: counter(9), tokenId: counter(9), service: 'weather' }
  const uses = [{ key: counter(1), limit: 100n, amount: 1n }]
  const late = await Promise.all(Array.from({ length: 100 }, () => ledger.reserve({ redemption, uses })))
  expect(late.filter(({ ok }) => ok)).toHaveLength(100 - admitted)
  await ledger.close()
  expect(leftovers()).toEqual([])
})

it('loses nothing that was being served and keeps no reservation of the killed (rules 3 and 9)', async () => {
  const file = freshFile()
  const before = [0, 0, 0, 0]
  for (let round = 0; round < 6; round++) {
    const churners = [start('churn', file), start('churn', file)]
    await Promise.all(
      churners.map(async (churner) => {
        await churner.said(1 + Math.floor(Math.random() * 400))
        await kill(churner.process)
        await churner.ended
      }),
    )
    const lines = churners.flatMap((churner) => churner.lines)
    const count = (what: string): number => lines.filter((line) => line === what).length

    const ledger = sqliteStore({ file })
    const used = await usedOf(ledger, 1, 2, 3, 4)
    for (const n of [1, 2, 3]) {
      const delta = (used[n - 1] ?? 0) - (before[n - 1] ?? 0)
      expect(delta).toBeGreaterThanOrEqual(count(`a${n}`))
      expect(delta).toBeLessThanOrEqual(count(`s${n}`))
    }
    expect(lines.length).toBeGreaterThan(0)
    // Every request used one of the first three and the fourth, in one step.
    expect(used[3]).toBe((used[0] ?? 0) + (used[1] ?? 0) + (used[2] ?? 0))
    const db = new DatabaseSync(file, { readOnly: true })
    expect(db.prepare('SELECT count(*) AS n FROM reservations').get()).toEqual({ n: 0 })
    expect(db.prepare('SELECT count(*) AS n FROM owners').get()).toEqual({ n: 1 })
    expect(db.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' })
    db.close()
    expect(leftovers()).toHaveLength(1)
    await ledger.close()
    before.splice(0, 4, ...used)
  }
}, 60_000)

it('gives back what a process held when that process dies, and not before', async () => {
  const file = freshFile()
  const [doomed, steady] = [start('hold', file), start('hold', file)]
  await Promise.all([doomed.said(1), steady.said(1)])
  const ledger = sqliteStore({ file, sweepMs: 20 })
  expect(await usedOf(ledger, 1)).toEqual([2])
  doomed.process.kill('SIGKILL')
  await vi.waitUntil(async () => (await usedOf(ledger, 1))[0] === 1, { timeout: 10_000, interval: 10 })
  await kill(steady.process)
  await vi.waitUntil(async () => (await usedOf(ledger, 1))[0] === 0, { timeout: 10_000, interval: 10 })
  expect(leftovers()).toHaveLength(1)
  await ledger.close()
})

it('finishes what was asked before a process ends, and keeps no process from ending', async () => {
  const file = freshFile()
  const child = start('leave', file)
  expect(await child.ended).toBe(0)
  expect(child.lines).toEqual(['done'])
  const ledger = sqliteStore({ file })
  expect(await usedOf(ledger, 1)).toEqual([1])
  expect(leftovers()).toHaveLength(1)
  await ledger.close()
})
