import type { OwnProblem } from './answers.ts'
import { FileMiss } from './file-miss.ts'

const UNTRUSTED: OwnProblem = {
  code: 'upstream_unreachable',
  detail: 'no trusted connection to the service behind this gateway can be made',
}

/** What a client is told when the upstream did not answer. Never what the upstream said. */
export function upstreamFault(error: unknown): OwnProblem {
  if (error instanceof FileMiss) return error.problem
  switch (codeOf(error)) {
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return upstreamTimeout(false)
    case 'ECONNREFUSED':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return {
        code: 'upstream_unreachable',
        detail: 'the service behind this gateway cannot be reached',
      }
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'EPROTO':
      return UNTRUSTED
    case 'ECONNRESET':
    case 'EPIPE':
    case 'UND_ERR_SOCKET':
      return {
        code: 'upstream_closed',
        detail: 'the service behind this gateway closed the connection before it had answered',
      }
    default:
      // What OpenSSL says of a certificate: DEPTH_ZERO_SELF_SIGNED_CERT, CERT_HAS_EXPIRED, UNABLE_TO_VERIFY_LEAF_SIGNATURE, …
      if (/CERT|^UNABLE_TO_/.test(String(codeOf(error)))) return UNTRUSTED
      return {
        code: 'upstream_invalid',
        detail: 'the service behind this gateway did not answer with valid HTTP',
      }
  }
}

/** No first byte in time: the client's own doing if it stopped sending the body. */
export function upstreamTimeout(starved: boolean): OwnProblem {
  if (starved) return { code: 'request_timeout', detail: 'the request body did not arrive in time' }
  return {
    code: 'upstream_timeout',
    detail: 'the service behind this gateway did not answer in time',
  }
}

function codeOf(error: unknown): unknown {
  if (typeof error !== 'object' || error === null) return undefined
  // Several addresses tried: an AggregateError whose parts carry the code.
  if (error instanceof AggregateError && !('code' in error)) return codeOf(error.errors[0])
  return 'code' in error ? error.code : undefined
}
