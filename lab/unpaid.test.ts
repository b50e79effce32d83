/**
 * What unpaid requests leave in the books: nothing (rule S10). `UNPAID=1000000 npm run lab -- unpaid` asks as often as that.
 */
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, it } from 'vitest'
import { run } from '../packages/gateway/src/main.ts'
import { temporaryFolder, testIo } from '../packages/gateway/test/test-io.ts'
import { isShort } from './lib/flags.ts'

const REQUESTS = Number(process.env['UNPAID'] ?? (isShort ? 4_000 : 10_000))

const config = `listen: 127.0.0.1:0
admin: { listen: 127.0.0.1:0 }
store: sqlite:books.db
lightning: sandbox
challenges: { limit: off }
services:
  weather:
    upstream: sample
    routes:
      - { match: POST /query, price: 25 sat, grants: { calls: 20 } }
      - { match: "GET /forecast/*", price: 25 sat, grants: { credit: 25 sat }, charge: { fixed: 1 sat } }
`

it(
  `${REQUESTS} unpaid requests are all answered with 402, and the database has not grown`,
  async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'turnpike.yaml'), config)
    const io = testIo(folder)
    expect(await run(['keys', 'new'], io)).toBe(0)
    const done = run(['serve', '--sandbox', '--ready-file', 'ready.json'], io)
    await Promise.race([io.seen('"serving"'), done])
    const { listen } = JSON.parse(readFileSync(join(folder, 'ready.json'), 'utf8'))
    const file = join(folder, 'books.db')
    const books = (): { bytes: number; rows: unknown } => {
      const db = new DatabaseSync(file)
      db.exec('PRAGMA busy_timeout = 5000; PRAGMA wal_checkpoint(TRUNCATE)')
      const rows = ['counters', 'redemptions', 'reservations', 'revocations'].map(
        (table) => db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n'],
      )
      db.close()
      return { bytes: statSync(file).size, rows }
    }
    const before = books()
    const agent = new Agent({ keepAlive: true, maxSockets: 32 })
    const ask = (path: string, headers: Record<string, string>): Promise<number> =>
      new Promise((resolve, reject) => {
        get(`${listen[0]}${path}`, { agent, headers }, (answer) => {
          answer.resume().once('end', () => resolve(answer.statusCode ?? 0))
        }).once('error', reject)
      })
    let left = REQUESTS
    let refused = 0
    const client = async (): Promise<void> => {
      while (left-- > 0) {
        // Half of them with a credential that is none.
        const headers = left % 2 === 0 ? {} : { Authorization: `L402 AgEB:${'00'.repeat(32)}` }
        if ((await ask('/forecast/paris', headers)) === 402) refused++
      }
    }
    await Promise.all(Array.from({ length: 32 }, client))
    agent.destroy()
    expect(refused).toBe(REQUESTS)
    const after = books()
    console.log(
      `${refused} unpaid requests; the database: ${before.bytes} bytes before, ${after.bytes} after`,
    )
    expect(after).toEqual(before)
    expect(after.rows).toEqual([0, 0, 0, 0])
    io.signal('SIGTERM')
    expect(await done).toBe(0)
    rmSync(folder, { recursive: true })
  },
  4 * 3_600_000,
)
