/** The buyer as an interceptor of `@grpc/grpc-js` clients. */

import { type InterceptingCall, type Interceptor, Metadata } from '@grpc/grpc-js'
import type { L402Error } from '../core/errors.ts'
import { isL402Error } from '../core/errors.ts'
import { attemptBuyer } from './lib/attempts.ts'
import { type CallEnd, grpcCall } from './lib/grpc-call.ts'
import { keptMessages, type RpcOptions, rpcCodeOf } from './lib/rpc.ts'

/** Options of {@link payingInterceptor}. */
export interface GrpcBuyerOptions extends RpcOptions {
  /** Where the client's channel leads, e.g. `https://api.example.com:8443`: budgets, lists and credentials go by it. */
  readonly origin: string
}

const faults = new WeakMap<Metadata, L402Error>()

/** What kept a call from being bought, by the error it ended with; `undefined` where the server said it itself. */
export function paymentErrorOf({ metadata }: { readonly metadata: Metadata }): L402Error | undefined {
  return faults.get(metadata)
}

/**
 * Makes an interceptor that pays for L402 within the purse's budget: one for each channel. A call is bought as a whole,
 * whatever its kind; the messages of a streaming request go out at once and again after paying. A deadline or a cancelled
 * call ends the waiting, never a payment under way. Where nothing is bought the call ends with FAILED_PRECONDITION
 * (refused), ABORTED (the payment failed), UNAVAILABLE (wallet or purse) or UNKNOWN; {@link paymentErrorOf} tells more.
 *
 * @example
 * ```ts
 * import { credentials, Client } from '@grpc/grpc-js'
 * import { payingInterceptor } from '@turnpike/l402/client/grpc'
 *
 * const origin = 'https://api.example.com'
 * const client = new Client('api.example.com:443', credentials.createSsl(), {
 *   interceptors: [payingInterceptor({ origin, wallet, purse })],
 * })
 * ```
 *
 * @throws RangeError or TypeError at set-up, for options out of range.
 */
export function payingInterceptor(options: GrpcBuyerOptions): Interceptor {
  const origin = new URL(options.origin)
  if (origin.protocol !== 'https:' && origin.protocol !== 'http:')
    throw new TypeError('origin: expected https://host or http://host')
  const kept = keptMessages(options)
  const fetch = attemptBuyer(options)
  return (callOptions, nextCall) => {
    const { path, requestStream } = callOptions.method_definition
    const call = grpcCall({
      open: () => nextCall(callOptions),
      requestStream,
      deadline: callOptions.deadline,
      kept,
      fetch,
      url: new URL(path, origin),
      endOf,
    })
    // What a client uses of a call is this; the class only adds what it keeps to itself.
    return call as unknown as InterceptingCall
  }
}

function endOf(error: unknown): CallEnd {
  const metadata = new Metadata()
  if (isL402Error(error)) faults.set(metadata, error)
  const details = error instanceof Error ? error.message : 'the call could not be bought'
  return { code: rpcCodeOf(error), details, metadata }
}
