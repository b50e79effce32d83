import { describeJournal } from '../journal-contract.test-suite.ts'
import { memoryJournal } from './memory-journal.ts'

describeJournal('memoryJournal', async () => {
  const journal = await memoryJournal()
  return { journal, other: async () => journal, durable: false }
})
