export { sqliteJournal } from './sqlite-journal.ts'
export { type SqliteStoreOptions, sqliteStore } from './sqlite-ledger.ts'
