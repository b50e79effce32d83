export { memoryJournal } from '../journal/memory-journal.ts'
export { type MemoryStoreOptions, memoryStore } from './memory-ledger.ts'
