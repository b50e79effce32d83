/** The two primitives everything is built on. Picked by the `#hasher` import of package.json. */
export interface Hasher {
  /** SHA-256 of `data`: 32 bytes. */
  sha256(data: Uint8Array): Uint8Array
  /** SHA-256 of a text's UTF-8 bytes, as a short text: a cache key that gives nothing away. */
  sha256Text(text: string): string
  /** HMAC-SHA256 (RFC 2104): 32 bytes, a Buffer on Node. A chain makes many that nobody sees; what leaves is copied. */
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array
}
