import { describe } from 'vitest'
import { describeJournal } from '../packages/l402/src/stores/journal-contract.test-suite.ts'
import { postgresJournal } from '../packages/l402/src/stores/postgres/index.ts'
import { programs, server } from './lib/postgres-suite.ts'

const name = programs === undefined ? 'SKIPPED: PostgreSQL is not installed' : 'a journal in PostgreSQL'

describe.skipIf(programs === undefined)(name, () => {
  describeJournal('postgresJournal', async () => {
    const url = server.url()
    return { journal: await postgresJournal({ url }), other: () => postgresJournal({ url }), durable: true }
  })
})
