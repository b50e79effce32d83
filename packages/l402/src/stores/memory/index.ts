export { memoryStore } from './memory-ledger.ts'
