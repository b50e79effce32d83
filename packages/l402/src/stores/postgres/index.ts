export { type PostgresJournalOptions, postgresJournal } from './postgres-journal.ts'
export { type PostgresStoreOptions, postgresStore } from './postgres-store.ts'
