/** `protocol` and `upstreamTls` of a service: how its upstream is spoken to. */

import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import type { z } from 'zod'
import type { UpstreamTls } from '../proxy/index.ts'
import { readPem } from '../tls-files.ts'
import { section } from './section.ts'
import { flag, oneOf, text } from './values.ts'
import type { Path } from './yaml-source.ts'

export const protocolSchema = oneOf(['h1', 'h2']).describe(
  'Which HTTP an https upstream speaks: "h1" (HTTP/1.1, the default) or "h2" (HTTP/2, which gRPC needs).',
)

export const upstreamTlsSchema = section(
  '{ caFile: ca.crt } or more of caFile, certFile, keyFile, serverName',
  {
    caFile: text('a file name')
      .optional()
      .describe(
        'PEM file with the certificates that may have signed the upstream’s; the system’s if left out.',
      ),
    certFile: text('a file name')
      .optional()
      .describe('PEM file with the certificate that is shown to the upstream.'),
    keyFile: text('a file name').optional().describe('PEM file with the private key of that certificate.'),
    serverName: text('a host name')
      .optional()
      .describe('The name the upstream’s certificate must have; the host of its address if left out.'),
    insecure: flag
      .optional()
      .describe('True takes any certificate, for development only; false if left out.'),
  },
)

/** How an upstream is spoken to beyond its address. */
export interface UpstreamSide {
  readonly protocol?: 'h1' | 'h2'
  readonly tls?: UpstreamTls
}

/** Where the text comes from and what is wrong goes. */
interface Context {
  readonly folder: string
  readonly report: (below: Path, message: string) => void
}

/** Reads both keys of a service. */
export function readUpstreamSide(
  service: {
    readonly upstreams: readonly string[]
    readonly protocol?: 'h1' | 'h2' | undefined
    readonly upstreamTls?: z.infer<typeof upstreamTlsSchema> | undefined
  },
  { folder, report }: Context,
): UpstreamSide {
  const { upstreams, protocol, upstreamTls } = service
  const secure = upstreams.every((upstream) => upstream.startsWith('https:'))
  if (protocol === 'h2' && !secure)
    report(['protocol'], 'HTTP/2 without TLS, expected the upstream as h2c://host:port and no "protocol"')
  if (protocol === 'h1' && upstreams.some((upstream) => upstream.startsWith('h2c:')))
    report(['protocol'], 'an h2c upstream speaks HTTP/2, expected no "protocol"')
  if (upstreamTls === undefined) return protocol === 'h2' ? { protocol } : {}
  if (!secure) report(['upstreamTls'], 'an upstream without TLS, expected an address with https://')
  const { serverName, insecure } = upstreamTls
  const texts: Partial<Record<'caFile' | 'certFile' | 'keyFile', string>> = {}
  for (const key of ['caFile', 'certFile', 'keyFile'] as const) {
    const file = upstreamTls[key]
    if (file === undefined) continue
    const read = readPem(resolve(folder, file))
    if (typeof read === 'string') report(['upstreamTls', key], read)
    else texts[key] = read.toString('utf8')
  }
  const { caFile: ca, certFile: cert, keyFile: key } = texts
  if ((upstreamTls.certFile === undefined) !== (upstreamTls.keyFile === undefined))
    report(['upstreamTls'], 'a certificate and its key go together, expected "certFile" and "keyFile"')
  try {
    createSecureContext({
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    })
  } catch {
    report(
      ['upstreamTls'],
      'the files do not fit together, expected PEM certificates and the key of "certFile"',
    )
  }
  const parts = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(serverName === undefined ? {} : { serverName }),
    ...(insecure === true ? { insecure } : {}),
  }
  const id = createHash('sha256').update(JSON.stringify(parts)).digest('hex')
  return { ...(protocol === 'h2' ? { protocol } : {}), tls: { id, ...parts } }
}
