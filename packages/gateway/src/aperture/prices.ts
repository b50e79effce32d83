/** `price` and `dynamicprice` of a service. */

import type { Path } from '../config/yaml-source.ts'
import { goAddress, goPath } from './go-values.ts'
import type { ApertureSource } from './source.ts'
import { flow, quoted } from './yaml-text.ts'

/** What a service costs. */
export interface AperturePrice {
  /** As it stands in the file. */
  readonly text: string
  /** Whether tokens are bound to what they were bought for. */
  readonly bound: boolean
  /** Whether the price server keeps balances. */
  readonly metered: boolean
}

/** 100,000 bitcoin. */
const MAX_SATS = 1e13
const MAX_TAIL = 1_048_576

/** The price of the service at a path. */
export function priceOf(
  source: ApertureSource,
  {
    at,
    folder,
    env,
  }: {
    readonly at: Path
    readonly folder: string
    readonly env: Readonly<Record<string, string | undefined>>
  },
): AperturePrice {
  const sats = source.whole('price', at)
  if (sats < 0 || sats > MAX_SATS)
    source.issue([...at, 'price'], 'expected satoshis from 0 to 10000000000000')
  const below = [...at, 'dynamicprice']
  if (!source.flag('enabled', below)) {
    if (source.flag('metered', below))
      source.issue([...below, 'metered'], 'is for a dynamic price, expected "enabled: true" beside it')
    // Nothing is sold for nothing: Aperture takes 1 sat then.
    return { text: `${Math.max(1, sats)} sat`, bound: false, metered: false }
  }
  if (source.get('price', at) !== undefined)
    source.note([...at, 'price'], 'not carried: the price server says what it costs')
  const address = goAddress(source.text('grpcaddress', below), '127.0.0.1')
  if (address === undefined) source.issue([...below, 'grpcaddress'], 'expected host:port of the price server')
  const certificate = source.text('tlscertpath', below)
  const metered = source.flag('metered', below)
  const tail = source.whole('usagetailbytes', below)
  if (tail < 0 || tail > MAX_TAIL)
    source.issue([...below, 'usagetailbytes'], 'expected bytes from 0 to 1048576')
  if (metered)
    source.note(
      [...below, 'metered'],
      'carried in part: tokens that Aperture sold for it stand for single paths, and do not open it here',
    )
  else
    source.note(
      [...below, 'enabled'],
      'carried in part: a token opens the path it was bought for, so the price server is not shown header lines and body ("binds: request" with "body: true" and "headers" shows them); tokens that Aperture sold for it do not open it here',
    )
  const tls = certificate === '' ? 'true' : flow([['caFile', quoted(goPath(certificate, { folder, env }))]])
  return {
    text: flow([
      ['grpc', quoted(address ?? '')],
      ['tls', source.flag('insecure', below) ? undefined : tls],
      ['zeroIsFree', 'true'],
      ['binds', metered ? undefined : 'path'],
      ['body', metered ? 'true' : undefined],
      ['metered', metered ? 'true' : undefined],
      ['usageTail', metered && tail > 0 ? quoted(`${tail} B`) : undefined],
    ]),
    bound: !metered,
    metered,
  }
}
