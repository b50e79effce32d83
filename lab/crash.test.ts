import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cleanUp, folderWith } from '../packages/gateway/test/e2e/program.ts'
import { postgresBooks, sqliteBooks } from './lib/books.ts'
import { type LaneOptions, type LaneResult, runLane } from './lib/crash/lane.ts'
import { table } from './lib/crash/table.ts'
import { isShort, numberOf } from './lib/flags.ts'
import { findPostgres, type PostgresServer, startPostgres } from './lib/postgres.ts'
import { bundleOf, bytes, fixedFor, oneCall, units } from './lib/wares.ts'

const KILLS = numberOf('LAB_KILLS', isShort ? 40 : 300)
const programs = findPostgres()
if (programs === undefined) console.log('SKIPPED: PostgreSQL is not installed: all kills are on SQLite')

// A start takes half a second, on a machine that does much else up to twenty; the rest is soon done.
const timeout = 300_000 + KILLS * 20_000

describe('a gateway that is killed at any moment under paid load', { concurrent: true, timeout }, () => {
  let server: PostgresServer | undefined
  beforeAll(async () => {
    if (programs !== undefined) server = await startPostgres(programs)
  })
  afterAll(async () => {
    await cleanUp()
    server?.remove()
  })

  const wares = [oneCall, bundleOf(40), fixedFor(30), units, bytes]
  const common = { wares, folderWith }
  const kills = (share: number): number => (programs === undefined ? KILLS : Math.ceil(KILLS * share))

  async function run(name: string, options: LaneOptions): Promise<LaneResult> {
    const result = await runLane(options)
    console.log(table(name, result))
    return result
  }

  function expectSound({ faults, kinds, leftOver, repeats }: LaneResult): void {
    expect(faults).toEqual([])
    for (const kind of kinds) expect(kind).toMatchObject({ over: 0n, free: 0n, lost: 0n, miscredited: 0 })
    expect(leftOver).toBe(0)
    expect(repeats).toMatchObject({ executedAgain: 0, notReplayed: 0 })
  }

  it('gives nothing away and takes nothing twice, on SQLite', async () => {
    const store = 'sqlite:books.db'
    const openBooks: LaneOptions['openBooks'] = (folder) => sqliteBooks(join(folder, 'books.db'))
    const options = { ...common, kills: kills(0.5), store, openBooks, sweptAtStart: true }
    expectSound(await run('SQLite', options))
  })

  it.skipIf(programs === undefined)(
    programs === undefined
      ? 'SKIPPED: PostgreSQL is not installed'
      : 'gives nothing away and takes nothing twice, on PostgreSQL',
    async () => {
      const store = server?.url() ?? ''
      const openBooks: LaneOptions['openBooks'] = () => postgresBooks(store)
      const options = { ...common, kills: kills(0.5), store, openBooks, sweptAtStart: false }
      expectSound(await run('PostgreSQL', options))
    },
  )
})
