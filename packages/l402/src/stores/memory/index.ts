export { memoryLedger } from './memory-ledger.ts'
