import { afterAll, beforeAll, describe } from 'vitest'
import { describeLedger } from '../packages/l402/src/stores/ledger-contract.test-suite.ts'
import { postgresStore } from '../packages/l402/src/stores/postgres/index.ts'
import { findPostgres, type PostgresServer, startPostgres } from './lib/postgres.ts'

const programs = findPostgres()
const name = 'a ledger in PostgreSQL'

describe.skipIf(programs === undefined)(
  programs === undefined ? `SKIPPED: PostgreSQL is not installed: ${name}` : name,
  () => {
    let server: PostgresServer
    beforeAll(async () => {
      server = await startPostgres(programs ?? '')
    })
    afterAll(() => server.remove())

    describeLedger('postgresStore', async () => {
      const url = server.url()
      let ledger = await postgresStore({ url })
      return {
        ledger,
        restart: async () => {
          await ledger.close()
          ledger = await postgresStore({ url })
          return ledger
        },
      }
    })
  },
)
