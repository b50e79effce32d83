import type { HeaderLines } from '../core/header-lines.ts'
import type { Refusal } from '../core/refusal.ts'
import type { IssuedChallenge } from './challenger.ts'
import type { GateRequest, Refused, RefusedReason, RouteTerms } from './gate.ts'
import type { NoPrice } from './pricing/pricer.ts'
import { problemBody } from './problem.ts'
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
export function challengeAnswer(request: GateRequest, refusal: Refusal, issued: IssuedChallenge): Refused {
  const { route } = request
  if (isGrpc(request.headers))
    return grpcAnswer(refusal.reason, 'payment required', ['WWW-Authenticate', issued.header])
  const { status, title } = REASONS[refusal.reason]
  const amount = {
    priceSats: Number((issued.amountMsat + 999n) / 1000n),
    priceMsat: Number(issued.amountMsat),
  }
  return {
    outcome: 'refuse',
    reason: refusal.reason,
    status,
    headers: ['WWW-Authenticate', issued.header, ...PROBLEM_HEADERS],
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

/** What a purchase buys, as JSON says it: whole numbers, credit in msat. */
function offeredGrants({ grants: { creditMsat, ...grants } }: RouteTerms): Record<string, number> {
  return creditMsat === undefined ? grants : { ...grants, creditMsat: Number(creditMsat) }
}

/** 429 (gRPC 8): `_rate` exceeded, or too many challenges asked for (rules S10, §5). */
export function tooManyAnswer(
  request: GateRequest,
  reason: 'over_rate' | 'challenge_limit',
  detail: string,
  retryAfterSeconds: number,
): Refused {
  return plainAnswer(request, { reason, detail, retryAfterSeconds })
}

/** 503: the node makes no invoice (protocol §5 rule 9). */
export function lightningUnavailable(request: GateRequest): Refused {
  const detail = 'no invoice can be made right now; nothing was charged'
  return plainAnswer(request, { reason: 'lightning_unavailable', detail, retryAfterSeconds: 5 })
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

const PROBLEM_HEADERS: HeaderLines = ['Content-Type', 'application/problem+json', 'Cache-Control', 'no-store']

interface PlainAnswer {
  readonly reason: RefusedReason
  readonly detail: string
  readonly retryAfterSeconds?: number
}

function plainAnswer(request: Pick<GateRequest, 'headers'>, answer: PlainAnswer): Refused {
  const { reason, detail } = answer
  const { status, title } = REASONS[reason]
  const { retryAfterSeconds } = answer
  const retry = retryAfterSeconds === undefined ? [] : ['Retry-After', String(retryAfterSeconds)]
  if (isGrpc(request.headers)) return grpcAnswer(reason, title.toLowerCase(), retry)
  return {
    outcome: 'refuse',
    reason,
    status,
    headers: [...PROBLEM_HEADERS, ...retry],
    body: problemBody({ status, code: reason, title, detail }),
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
