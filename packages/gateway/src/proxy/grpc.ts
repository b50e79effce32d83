/** What the gateway needs to know of gRPC: `PROTOCOL-HTTP2.md` of the gRPC project, and protocol §1. */

import type { HeaderLines } from '@turnpike/l402'

/** Whether a `content-type` is gRPC's. */
export function isGrpcType(contentType: string): boolean {
  return /^application\/grpc/i.test(contentType)
}

// Those that gRPC itself gives a 5xx in HTTP: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS.
const FAULTS: ReadonlySet<string> = new Set(['2', '4', '12', '13', '14', '15'])

/** Whether an answer says, in its head or its trailers, that the upstream failed (protocol §5 rule 4: like a 5xx). */
export function isGrpcFault(lines: readonly unknown[]): boolean {
  for (let i = 0; i + 1 < lines.length; i += 2)
    if (String(lines[i]).toLowerCase() === 'grpc-status') return FAULTS.has(String(lines[i + 1]).trim())
  return false
}

/** Header lines of an answer without a message, all of it in one HEADERS frame ("Trailers-Only"). */
export function grpcStatusLines(status: number, message: string): HeaderLines {
  return ['content-type', 'application/grpc', 'grpc-status', String(status), 'grpc-message', percent(message)]
}

/** The `grpc-status` for an HTTP status of the gateway's own. */
export function grpcStatusOf(status: number): number {
  switch (status) {
    case 400:
    case 414:
      return 3 // INVALID_ARGUMENT
    case 404:
    case 405:
    case 501:
      return 12 // UNIMPLEMENTED
    case 408:
    case 504:
      return 4 // DEADLINE_EXCEEDED
    case 413:
    case 429:
    case 431:
      return 8 // RESOURCE_EXHAUSTED
    case 502:
    case 503:
      return 14 // UNAVAILABLE
    case 409:
    case 417:
      return 9 // FAILED_PRECONDITION
    case 401:
      return 16 // UNAUTHENTICATED
    case 403:
      return 7 // PERMISSION_DENIED
    default:
      return 13 // INTERNAL
  }
}

/** Percent-encoded as `grpc-message` has it. */
function percent(text: string): string {
  return text.replace(/[^\x20-\x24\x26-\x7e]/gu, encodeURIComponent).replaceAll(/%(?![0-9A-F]{2})/g, '%25')
}
