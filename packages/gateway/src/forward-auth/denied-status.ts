import type { HeaderLines } from '@turnpike/l402'

/**
 * The status with which a proxy hears of an answer that is not a pass, where it goes by the status alone: never one that it
 * takes for a pass. A refused gRPC call has 200 in HTTP; here it has the status that plain HTTP would have. `undefined`: the
 * answer is no refusal, so this proxy cannot hand it over.
 */
export function deniedStatus({
  status,
  lines,
}: {
  readonly status: number
  readonly lines: HeaderLines
}): number | undefined {
  if (status >= 300) return status
  let grpcStatus: string | undefined
  let challenged = false
  for (let i = 0; i < lines.length; i += 2) {
    const name = (lines[i] ?? '').toLowerCase()
    if (name === 'grpc-status') grpcStatus = lines[i + 1]
    if (name === 'www-authenticate') challenged = true
  }
  if (grpcStatus === undefined) return undefined
  return challenged ? 402 : (HTTP_STATUS[grpcStatus] ?? 403)
}

const HTTP_STATUS: Readonly<Record<string, number>> = {
  '3': 400,
  '4': 504,
  '7': 403,
  '8': 429,
  '9': 409,
  '12': 404,
  '14': 503,
  '16': 401,
}
