export { type MemoryStoreOptions, memoryStore } from './memory-ledger.ts'
