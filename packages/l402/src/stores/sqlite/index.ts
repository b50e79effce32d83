export { type SqliteStoreOptions, sqliteStore } from './sqlite-ledger.ts'
