/** The certificate files of the public addresses: read, tried, and read again when they change. */

import { readFileSync, unwatchFile, watchFile } from 'node:fs'
import { createSecureContext } from 'node:tls'
import type { TlsConfig } from './config/tls.ts'
import type { TlsMaterial } from './proxy/index.ts'

/** What is wrong with a file, and which key names it. Never what is in it. */
interface TlsFault {
  readonly key: 'certFile' | 'keyFile' | 'clientCaFile'
  readonly fault: string
}

/** Reads the files of `config`; a {@link TlsFault} for those that cannot be read, or do not fit together. */
export function readTlsMaterial(config: TlsConfig): TlsMaterial | TlsFault {
  const texts: Partial<Record<TlsFault['key'], Buffer>> = {}
  for (const key of ['certFile', 'keyFile', 'clientCaFile'] as const) {
    const file = config[key]
    if (file === undefined) continue
    const read = readPem(file)
    if (typeof read === 'string') return { key, fault: read }
    texts[key] = read
  }
  const { certFile: cert, keyFile: key, clientCaFile: clientCa } = texts
  if (cert === undefined || key === undefined) return { key: 'certFile', fault: 'not given' }
  const tries = [
    ['certFile', { cert }, 'not a certificate'],
    ['keyFile', { key }, 'not a private key (or one with a passphrase)'],
    ['keyFile', { cert, key }, 'not the key of the certificate'],
    ['clientCaFile', clientCa === undefined ? {} : { ca: clientCa }, 'not a certificate'],
  ] as const
  for (const [name, options, what] of tries) {
    try {
      createSecureContext(options)
    } catch {
      return { key: name, fault: `${what}, expected PEM texts that belong together` }
    }
  }
  const { clientAuth, minVersion } = config
  return {
    cert,
    key,
    minVersion,
    ...(clientCa === undefined ? {} : { clientCa }),
    ...(clientAuth === undefined ? {} : { clientAuth }),
  }
}

/** The file, or what is wrong with it. */
export function readPem(file: string): Buffer | string {
  try {
    return readFileSync(file)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown fault'
    return code === 'ENOENT'
      ? 'no such file, expected a PEM file'
      : `cannot be read (${code}), expected a PEM file`
  }
}

/** Files that are looked at again and again. */
export interface TlsWatch {
  /** Looks at these from now on, and takes what is in them at once. */
  follow(config: TlsConfig | undefined): void
  close(): void
}

/** What {@link watchTls} tells. */
export interface TlsWatchOptions {
  /** Another pair is there, and right. */
  readonly renewed: (material: TlsMaterial) => void
  /** What is there now cannot be used; the old one stays. */
  readonly failed: (message: string) => void
  /** How often the files are looked at. @default 5000 */
  readonly intervalMs?: number
}

// Certificate and key are two files: what is written one after the other is to be read together.
const SETTLE_MS = 500

/** Reads certificate files again when they change: by looking, as files that are replaced or linked tell nobody. */
export function watchTls({ renewed, failed, intervalMs = 5_000 }: TlsWatchOptions): TlsWatch {
  let config: TlsConfig | undefined
  let watched: string[] = []
  let settle: NodeJS.Timeout | undefined
  const read = (): void => {
    if (config === undefined) return
    const material = readTlsMaterial(config)
    if ('fault' in material) failed(`tls.${material.key}: ${material.fault}`)
    else renewed(material)
  }
  const changed = (): void => {
    clearTimeout(settle)
    settle = setTimeout(read, Math.min(SETTLE_MS, intervalMs)).unref()
  }
  const leave = (): void => {
    clearTimeout(settle)
    for (const file of watched) unwatchFile(file, changed)
    watched = []
  }
  return {
    follow(next) {
      leave()
      config = next
      if (next === undefined) return
      watched = [next.certFile, next.keyFile, next.clientCaFile].flatMap((file) => file ?? [])
      for (const file of watched) watchFile(file, { interval: intervalMs, persistent: false }, changed)
      read()
    },
    close: leave,
  }
}
