/** `tls`: the certificate of the public addresses. */

import { resolve } from 'node:path'
import { readTlsMaterial } from '../tls-files.ts'
import { describeFaults } from './faults.ts'
import type { ConfigIssue } from './issue.ts'
import { section } from './section.ts'
import { oneOf, text } from './values.ts'
import type { YamlSource } from './yaml-source.ts'

/** Where the certificate is, and what is asked of clients. */
export interface TlsConfig {
  /** Absolute, as are all. */
  readonly certFile: string
  readonly keyFile: string
  readonly clientCaFile: string | undefined
  readonly clientAuth: 'require' | 'request' | undefined
  readonly minVersion: '1.2' | '1.3'
}

export const tlsSchema = section('{ certFile: server.crt, keyFile: server.key }', {
  certFile: text('a file name').describe(
    'PEM file with the certificate, and after it those that lead to one that clients know.',
  ),
  keyFile: text('a file name').describe('PEM file with the private key of the certificate.'),
  clientCaFile: text('a file name')
    .optional()
    .describe('PEM file with the certificates of those who sign client certificates.'),
  clientAuth: oneOf(['require', 'request'])
    .optional()
    .describe(
      'Whether clients need a certificate ("require") or may show one ("request"); "require" where there is a clientCaFile.',
    ),
  minVersion: oneOf(['1.2', '1.3']).optional().describe('The oldest TLS that is spoken; 1.2 if left out.'),
})

/** Reads `tls`, and tries whether the files fit together. Pushes what is wrong. */
export function readTls(source: YamlSource, folder: string, issues: ConfigIssue[]): TlsConfig | undefined {
  const value = source.get(['tls'])
  if (value === undefined) return undefined
  const parsed = tlsSchema.safeParse(value)
  if (!parsed.success) {
    issues.push(...describeFaults(source, ['tls'], parsed.error))
    return undefined
  }
  const { certFile, keyFile, clientCaFile, clientAuth, minVersion = '1.2' } = parsed.data
  if (clientAuth !== undefined && clientCaFile === undefined) {
    const message = 'tls.clientAuth: nobody signs client certificates, expected a "clientCaFile" beside it'
    issues.push({ position: source.locate(['tls', 'clientAuth']), message })
    return undefined
  }
  const config: TlsConfig = {
    certFile: resolve(folder, certFile),
    keyFile: resolve(folder, keyFile),
    clientCaFile: clientCaFile === undefined ? undefined : resolve(folder, clientCaFile),
    clientAuth: clientAuth ?? (clientCaFile === undefined ? undefined : 'require'),
    minVersion,
  }
  const read = readTlsMaterial(config)
  if ('fault' in read) {
    const { key, fault } = read
    issues.push({ position: source.locate(['tls', key]), message: `tls.${key}: ${fault}` })
  }
  return config
}
