import { encodeUtf8 } from '../../core/bytes.ts'

/** Names the key that binds challenges; no macaroon's identifier has this length. */
export const CHALLENGE_KEY: Uint8Array = encodeUtf8('turnpike payment scheme challenge id')
