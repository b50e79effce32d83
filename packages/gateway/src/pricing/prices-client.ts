import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  type ChannelCredentials,
  Client,
  credentials,
  loadPackageDefinition,
  type MethodDefinition,
  type ServiceClientConstructor,
  type ServiceDefinition,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

/** Names as in the protocol, in camel case; 64-bit numbers as decimal text. */
interface PricesMessages {
  readonly GetPrice: [{ path: string; httpRequestText: string }, { priceSats: string }]
  readonly ChallengeMinted: [
    { path: string; httpRequestText: string; tokenId: string; priceSats: string; serviceName: string },
    object,
  ]
  readonly AuthorizeRequest: [
    { path: string; httpRequestText: string; tokenId: string; serviceName: string },
    { allowed: boolean; priceSats: string; reservedEstimate: string },
  ]
  readonly ReportUsage: [
    {
      tokenId: string
      path: string
      serviceName: string
      httpStatus: number
      contentType: string
      complete: boolean
      responseTail: Uint8Array
      contentEncoding: string
      reservedEstimate: string
    },
    object,
  ]
}

/** How long a call may take, and what ends it before. */
interface CallOptions {
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

/** A price server. */
export interface PricesClient {
  /** Throws what gRPC says, without what the server's message holds. */
  call<M extends keyof PricesMessages>(
    method: M,
    message: PricesMessages[M][0],
    options: CallOptions,
  ): Promise<PricesMessages[M][1]>
  close(): void
}

/** The service as it stands in `proto/prices.proto`. */
export function pricesService(): ServiceDefinition {
  const file = fileURLToPath(new URL('../../proto/prices.proto', import.meta.url))
  const definition = loadSync(file, { longs: String, defaults: true })
  const { Prices } = loadPackageDefinition(definition)['pricesrpc'] as Record<
    string,
    ServiceClientConstructor
  >
  if (Prices === undefined) throw new Error('proto/prices.proto has no service Prices')
  return Prices.service
}

/** Connects when it is first asked, and again whenever it has to. */
export function pricesClient(
  address: string,
  tls: { readonly caFile: string | undefined; readonly serverName: string | undefined } | undefined,
): PricesClient {
  const service = pricesService()
  const client = new Client(address, channelCredentials(tls), {
    ...(tls?.serverName === undefined ? {} : { 'grpc.ssl_target_name_override': tls.serverName }),
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2_000,
  })
  return {
    call(method, message, { timeoutMs, signal }) {
      const { path, requestSerialize, responseDeserialize } = service[method] as MethodDefinition<
        typeof message,
        PricesMessages[typeof method][1]
      >
      return new Promise((resolve, reject) => {
        const deadline = Date.now() + timeoutMs
        const call = client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          message,
          { deadline },
          (error, answer) => {
            signal?.removeEventListener('abort', cancel)
            if (error !== null) reject(new Error(`the price server answered with gRPC status ${error.code}`))
            else if (answer === undefined) reject(new Error('the price server answered nothing'))
            else resolve(answer)
          },
        )
        const cancel = (): void => call.cancel()
        signal?.addEventListener('abort', cancel, { once: true })
      })
    },
    close: () => client.close(),
  }
}

function channelCredentials(tls: { readonly caFile: string | undefined } | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure()
  return credentials.createSsl(tls.caFile === undefined ? null : readFileSync(tls.caFile))
}
