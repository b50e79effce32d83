/**
 * Root keys that were made at random and kept, one per macaroon (protocol §4, *stored*): how other servers sell, Aperture
 * first of all. Turnpike derives its own and only opens what was sold under these.
 */
export interface StoredRootKeys {
  /**
   * The root key of the macaroon whose identifier has this SHA-256 (32 bytes): 32 bytes, or `undefined` where none is
   * kept. Throws `store_unavailable`.
   */
  rootKey(identifierHash: Uint8Array): Promise<Uint8Array | undefined>
  /** Lets go of the store. */
  close(): Promise<void>
}
