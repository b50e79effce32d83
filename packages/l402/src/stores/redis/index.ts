export { type RedisStoreOptions, redisStore } from './redis-store.ts'
export { redisPlace } from './target.ts'
