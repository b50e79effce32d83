import { L402Error } from '../../core/errors.ts'

/** Length of what Aperture stores, in bytes. */
const SECRET_LENGTH = 32

/**
 * The root key in a row. Anything but 32 bytes is none: with an empty key everybody could make credentials, and Aperture
 * keeps secrets of another kind in the same table.
 */
export function secretOf(stored: unknown): Uint8Array | undefined {
  return stored instanceof Uint8Array && stored.length === SECRET_LENGTH ? new Uint8Array(stored) : undefined
}

/** `store_incompatible`: there is a database, and it is not Aperture's. */
export function notAperture(place: string, found: string, cause?: unknown): L402Error {
  return new L402Error(
    'store_incompatible',
    `${place} is not Aperture's database: expected a table "secrets" with the columns "hash" and "secret", found ${found}`,
    cause === undefined ? {} : { cause },
  )
}

/** `store_unavailable`: the database cannot be read now. */
export function unreadable(place: string, why: string, cause?: unknown): L402Error {
  return new L402Error(
    'store_unavailable',
    `Aperture's database ${place} cannot be read: ${why}`,
    cause === undefined ? {} : { cause },
  )
}
