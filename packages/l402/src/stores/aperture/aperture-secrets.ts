import type { StoredRootKeys } from '../root-keys.ts'
import { postgresSecrets } from './postgres-secrets.ts'
import { sqliteSecrets } from './sqlite-secrets.ts'

/** Which database of Aperture's. */
export type ApertureSecretsOptions =
  | {
      /** Path of its SQLite file (`~/.aperture/aperture.db` where nothing else is configured). Never written to. */
      readonly file: string
    }
  | {
      /** `postgres://user:password@host:port/database`; a user who may only read `secrets` is enough. Needs `pg`. */
      readonly url: string
      /** How long connecting, and each look-up, may take; default 5,000. */
      readonly timeoutMs?: number
    }

/**
 * The root keys that Aperture keeps in its `secrets` table, so that what it has sold goes on opening here: root key under
 * SHA-256(identifier). Aperture may go on running meanwhile; what it sells later opens too.
 *
 * What such a credential opens stands in its caveats, which Aperture wrote as `services=NAME:0`,
 * `NAME_capabilities=a,b` and, where the service has a `timeout`, `NAME_valid_until=…`. So the seller gives the service
 * **the name it had at Aperture** (lower-case letters, digits, `_`, `-`) **and tier 0**, and gives each route **one of
 * the capabilities** that were configured there. Aperture never enforced capabilities, and where none were configured
 * the list is empty: such a credential opens the routes whose capability is the empty text, which need none, as does
 * every other credential of that service. Constraints that Aperture was told to mint are unknown conditions here unless
 * they happen to be ours. A service with a dynamic price sold each path under a name with slashes, which no service can
 * have here.
 *
 * A row that is deleted later (Aperture's way to revoke) is noticed once the credential is not in the gate's cache any
 * more; revoke it here instead.
 *
 * Throws `store_unavailable` where the database cannot be read, `store_incompatible` where it is not Aperture's.
 *
 * @example
 * const stored = await apertureSecrets({ file: '/var/lib/aperture/aperture.db' })
 */
export async function apertureSecrets(options: ApertureSecretsOptions): Promise<StoredRootKeys> {
  return 'file' in options ? sqliteSecrets(options.file) : await postgresSecrets(options)
}
