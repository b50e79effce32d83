import type { HeaderLines } from '../core/header-lines.ts'
import type { Refusal } from '../core/refusal.ts'
import type { IssuedChallenge } from './challenger.ts'
import type { GateRequest, Refused, RefusedReason, RouteTerms } from './gate.ts'
import type { NoPrice } from './pricing/pricer.ts'
import { problemBody } from './problem.ts'
import { exceededRateLines } from './rate-limit-lines.ts'
import { REASONS } from './reason-table.ts'

/** Whether a request is gRPC (protocol §1): its `content-type` starts with `application/grpc`. */
function isGrpc(headers: HeaderLines): boolean {
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    if (name.length === 12 && name.toLowerCase() === 'content-type')
      return (headers[i + 1] as string).toLowerCase().startsWith('application/grpc')
  }
  return false
}

/** 402 with a fresh challenge, whatever the credential lacked (rules S1–S6). */
export function challengeAnswer(
  request: GateRequest,
  refusal: Refusal,
  { issued, payment }: { readonly issued: IssuedChallenge; readonly payment: HeaderLines },
): Refused {
  const { route } = request
  if (isGrpc(request.headers))
    return grpcAnswer(refusal.reason, 'payment required', challengeLines(issued, []))
  const { status, title } = REASONS[refusal.reason]
  const amount = {
    priceSats: Number((issued.amountMsat + 999n) / 1000n),
    priceMsat: Number(issued.amountMsat),
  }
  return {
    outcome: 'refuse',
    reason: refusal.reason,
    status,
    headers: [...challengeLines(issued, payment), ...PROBLEM_HEADERS],
    body: problemBody({
      status,
      code: refusal.reason,
      title,
      detail: refusal.detail,
      ...(refusal.condition === undefined ? {} : { condition: refusal.condition }),
      macaroon: issued.macaroon,
      invoice: issued.invoice,
      ...amount,
      paymentHash: issued.paymentHash,
      expiresAt: issued.expiresAt,
      offers: [
        {
          scheme: 'L402',
          service: route.service,
          route: route.name,
          ...amount,
          grants: offeredGrants(route),
        },
      ],
    }),
    grpc: false,
  }
}

/** Each challenge in a field line of its own: L402, `Payment`, `LSAT` (rule S3). */
function challengeLines({ header, lsatHeader }: IssuedChallenge, payment: HeaderLines): HeaderLines {
  const lines = ['WWW-Authenticate', header, ...payment]
  return lsatHeader === undefined ? lines : [...lines, 'WWW-Authenticate', lsatHeader]
}

/** What a purchase buys, as JSON says it: whole numbers, credit in msat. */
function offeredGrants({ grants: { creditMsat, ...grants } }: RouteTerms): Record<string, number> {
  return creditMsat === undefined ? grants : { ...grants, creditMsat: Number(creditMsat) }
}

/** 429 (gRPC 8): `_rate` exceeded (protocol §5). The credential stays good. */
export function overRateAnswer(request: GateRequest, refusal: Refusal): Refused {
  const { detail, condition, rate, retryAfterSeconds = 1 } = refusal
  return plainAnswer(request, {
    reason: 'over_rate',
    detail,
    retryAfterSeconds,
    ...(condition === undefined ? {} : { condition }),
    ...(rate === undefined ? {} : { headers: exceededRateLines(rate, retryAfterSeconds) }),
  })
}

/** 403 (gRPC 7): the address is on a block list, or not on the allow list (rule S1). */
export function addressDenied(request: Pick<GateRequest, 'headers'>): Refused {
  return plainAnswer(request, { reason: 'address_denied', detail: 'requests from this network are refused' })
}

/** 401 without a challenge, on a route that makes no invoices (rule S1; gRPC 13 as Aperture answers it). */
export function unsoldAnswer(request: GateRequest, { reason, detail, condition }: Refusal): Refused {
  if (isGrpc(request.headers)) return grpcAnswer(reason, 'unauthorized', [])
  const { title } = REASONS[reason]
  return {
    outcome: 'refuse',
    reason,
    status: 401,
    // RFC 9110 §15.5.2: a 401 names a scheme. It holds neither macaroon nor invoice.
    headers: ['WWW-Authenticate', `L402 realm="${request.route.service}"`, ...PROBLEM_HEADERS],
    body: problemBody({
      status: 401,
      code: reason,
      title,
      detail,
      ...(condition === undefined ? {} : { condition }),
    }),
    grpc: false,
  }
}

/** 503: all clients together ask for more invoices than are made in this time. */
export function overCapacity(request: GateRequest, retryAfterSeconds: number): Refused {
  const detail = 'too many invoices are asked for right now; nothing was charged'
  return plainAnswer(request, { reason: 'challenge_capacity', detail, retryAfterSeconds })
}

/** 429 (gRPC 8): a route's rate exceeded, or too many challenges asked for (rule S10). */
export function tooManyAnswer(
  request: GateRequest,
  reason: 'rate_limited' | 'challenge_limit',
  detail: string,
  retryAfterSeconds: number,
): Refused {
  return plainAnswer(request, { reason, detail, retryAfterSeconds })
}

/** 503: the node makes no invoice (protocol §5 rule 9). */
export function lightningUnavailable(request: GateRequest, retryAfterSeconds = 5): Refused {
  const detail = 'no invoice can be made right now; nothing was charged'
  return plainAnswer(request, { reason: 'lightning_unavailable', detail, retryAfterSeconds })
}

/** 503: the node cannot be asked whether a credential's invoice is settled, so it is neither honoured nor sold again. */
export function settlementUnknown(request: Pick<GateRequest, 'headers'>, retryAfterSeconds = 5): Refused {
  const detail =
    'the payment cannot be looked up right now; nothing was used, and nothing is to be paid again'
  return plainAnswer(request, { reason: 'lightning_unavailable', detail, retryAfterSeconds })
}

/** 503: the books cannot be written. Never free, never lost (protocol §5 rule 9). */
export function storeUnavailable(request: Pick<GateRequest, 'headers'>): Refused {
  const detail = 'the books cannot be written right now; nothing was used'
  return plainAnswer(request, { reason: 'store_unavailable', detail, retryAfterSeconds: 5 })
}

/** 503: nobody can say what the request costs, so it is not free (protocol §5 rule 9); 400 where it does not say enough. */
export function priceUnavailable(request: GateRequest, { why, detail }: NoPrice): Refused {
  if (why === 'unpriceable') return plainAnswer(request, { reason: 'unpriceable', detail })
  // What is wrong is for the operator to know.
  return plainAnswer(request, {
    reason: 'price_unavailable',
    detail: 'what this request costs cannot be said right now; nothing was charged',
    retryAfterSeconds: 5,
  })
}

/** A price that no invoice can be made for is sold at no other one. */
export function priceOutOfBounds(request: GateRequest): Refused {
  return plainAnswer(request, {
    reason: 'price_unavailable',
    detail: 'what this request costs is outside the amounts that can be received here; nothing was charged',
    retryAfterSeconds: 5,
  })
}

const PROBLEM_HEADERS: HeaderLines = ['Content-Type', 'application/problem+json', 'Cache-Control', 'no-store']

interface PlainAnswer {
  readonly reason: RefusedReason
  readonly detail: string
  readonly condition?: string
  readonly retryAfterSeconds?: number
  /** Further lines. */
  readonly headers?: HeaderLines
}

function plainAnswer(request: Pick<GateRequest, 'headers'>, answer: PlainAnswer): Refused {
  const { reason, detail, condition, retryAfterSeconds, headers = [] } = answer
  const { status, title } = REASONS[reason]
  const retry =
    retryAfterSeconds === undefined ? headers : ['Retry-After', String(retryAfterSeconds), ...headers]
  if (isGrpc(request.headers)) return grpcAnswer(reason, title.toLowerCase(), retry)
  return {
    outcome: 'refuse',
    reason,
    status,
    headers: [...PROBLEM_HEADERS, ...retry],
    body: problemBody({
      status,
      code: reason,
      title,
      detail,
      ...(condition === undefined ? {} : { condition }),
    }),
    grpc: false,
  }
}

function grpcAnswer(reason: RefusedReason, message: string, extra: HeaderLines): Refused {
  const status = String(REASONS[reason].grpcStatus)
  return {
    outcome: 'refuse',
    reason,
    status: 200,
    headers: [
      ...['Content-Type', 'application/grpc', 'grpc-status', status, 'grpc-message', message],
      ...extra,
      ...['Cache-Control', 'no-store'],
    ],
    body: '',
    grpc: true,
  }
}

/** 400 or 409: the `Idempotency-Key` cannot be heeded, and nothing is charged (protocol §5 rule 10). */
export function idempotencyAnswer(
  request: GateRequest,
  reason: Extract<RefusedReason, `idempotency_${string}`>,
): Refused {
  const { meaning, remedy } = REASONS[reason]
  const detail = `${meaning} ${remedy}`
  return plainAnswer(request, {
    reason,
    detail,
    ...(reason === 'idempotency_running' ? { retryAfterSeconds: 1 } : {}),
  })
}

/** 401 where nothing is sold, so that no invoice is made (rule S1): the balance of no credential. */
export function noBalance({ reason, detail }: Refusal): Refused {
  const { title } = REASONS[reason]
  return {
    outcome: 'refuse',
    reason,
    status: 401,
    headers: ['WWW-Authenticate', 'L402 realm="balance"', ...PROBLEM_HEADERS],
    body: problemBody({ status: 401, code: reason, title, detail }),
    grpc: false,
  }
}
