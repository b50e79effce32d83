/**
 * Headers, in small letters, that nobody who fetches by way of the purse sets: framing is the transport's, and credentials
 * are the purse's.
 */
export const REFUSED_HEADERS: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'upgrade',
  'expect',
  'te',
  'trailer',
  'keep-alive',
  'proxy-authorization',
  'macaroon',
  'grpc-metadata-macaroon',
  'payment-authorization',
  'dpop',
])
