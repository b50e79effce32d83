export { type RedisJournalOptions, redisJournal } from './redis-journal.ts'
export { type RedisStoreOptions, redisStore } from './redis-store.ts'
export { redisPlace } from './target.ts'
