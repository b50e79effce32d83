import type { HeaderLines } from '@turnpike/l402'
import { type Metered, noPrice, type PriceRequest, type Pricer } from '@turnpike/l402/server'
import type { PriceConfig } from '../config/pricing.ts'
import type { PricesClient } from './prices-client.ts'
import { toldHeaders, toldScope } from './told.ts'
import type { UsageReports } from './usage-reports.ts'

/** What {@link grpcPricer} works with. */
export interface GrpcParts {
  readonly client: PricesClient
  readonly reports: UsageReports
}

const MSAT = 1_000n

/**
 * A price that a price server says over Aperture's gRPC protocol, in whole satoshis. It is told the path and the request as
 * text: the head with the header lines that the route names (all but secret ones where it is metered), and the first 64 KiB of
 * the body where the route shows it.
 */
export function grpcPricer(
  config: Extract<PriceConfig, { kind: 'grpc' }>,
  { client, reports }: GrpcParts,
): Pricer {
  const { address, timeoutMs, mostMsat, binds, body, headers, zeroIsFree } = config
  const about = (request: PriceRequest): { path: string; httpRequestText: string } => ({
    path: request.path,
    httpRequestText: requestText(request, config.metered ? undefined : headers),
  })
  const metered: Metered = {
    tailBytes: config.tailBytes,
    async minted(request, { tokenId, amountMsat, signal }) {
      const priceSats = String((amountMsat + MSAT - 1n) / MSAT)
      const message = { ...about(request), tokenId, priceSats, serviceName: request.service }
      await client.call('ChallengeMinted', message, { timeoutMs, signal })
    },
    async authorize(request, { tokenId, signal }) {
      const message = { ...about(request), tokenId, serviceName: request.service }
      const { allowed, priceSats, reservedEstimate } = await client.call('AuthorizeRequest', message, {
        timeoutMs,
        signal,
      })
      if (allowed) return { allowed, reserved: BigInt(reservedEstimate) }
      const sats = BigInt(priceSats)
      return { allowed, amountMsat: sats === 0n ? undefined : sats * MSAT }
    },
    report: (usage) => reports.send(client, usage),
  }
  return {
    kind: 'grpc',
    text: `price server ${address}`,
    binds: binds === 'route' ? 'route' : 'request',
    readsBody: body,
    timeoutMs,
    mostMsat,
    scope: (request) => toldScope(request, { binds, headers }),
    async price(request, signal) {
      const { priceSats } = await client.call('GetPrice', about(request), { timeoutMs, signal })
      const sats = BigInt(priceSats)
      if (sats > 0n) return { state: 'priced', amountMsat: sats * MSAT }
      if (sats === 0n && zeroIsFree) return { state: 'free' }
      return noPrice('invalid', 'the price server said a price that is not above 0')
    },
    ...(config.metered ? { metered } : {}),
  }
}

/** The request as text: line, header lines, an empty line, the beginning of the body. Credentials are not in it. */
function requestText(request: PriceRequest, names: readonly string[] | undefined): string {
  const { method, path, query, headers, body } = request
  const told = names === undefined ? pairs(headers) : toldHeaders(headers, names)
  const lines = told.map(([name, value]) => `${name}: ${value}\r\n`)
  // The last character may be cut in two; what is no text becomes U+FFFD.
  const text = body === undefined ? '' : new TextDecoder().decode(body)
  return `${method} ${path}${query} HTTP/1.1\r\n${lines.join('')}\r\n${text}`
}

function pairs(lines: HeaderLines): [name: string, value: string][] {
  const all: [string, string][] = []
  for (let i = 0; i < lines.length; i += 2) all.push([lines[i] ?? '', lines[i + 1] ?? ''])
  return all
}
