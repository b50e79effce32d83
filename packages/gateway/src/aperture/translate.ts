/** From the text of an `aperture.yaml` to that of a `turnpike.yaml`. */

import { join } from 'node:path'
import { ConfigError, type ConfigIssue } from '../config/issue.ts'
import { apertureFolder, goAddress, goPath } from './go-values.ts'
import { serviceLines, takenKey } from './services.ts'
import { type ApertureSource, readAperture } from './source.ts'
import { comment, flow, quoted } from './yaml-text.ts'

/** How to translate. */
export interface TranslateOptions {
  /** As the user named it; for messages. */
  readonly file: string
  /** Absolute folder of the file. */
  readonly folder: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Whether there is such a file or folder. */
  readonly exists: (path: string) => boolean
}

/** A translated configuration. */
export interface Translation {
  /** The text of a `turnpike.yaml`; every file name in it is absolute. May hold secrets, as the other file does. */
  readonly text: string
  /** What is not carried, or not wholly, and why. */
  readonly notes: readonly ConfigIssue[]
}

/** Translates. Throws {@link ConfigError} with everything that is wrong: what is not understood is never left open. */
export function translateAperture(text: string, options: TranslateOptions): Translation {
  const source = readAperture(text)
  if (source.issues.length > 0) throw new ConfigError(options.file, source.issues)
  const taken = new Set<string>()
  const parts = { source, ...options, basedir: baseFolder(source, options) }
  const body = [
    ...listenLines(parts),
    '',
    ...lightningLines(parts),
    '',
    'store: sqlite:turnpike.db # who may still use what; Aperture has no such book',
    ...keyLines(parts),
    '',
    '# Clients of Aperture know macaroons by the location "lsat", and the oldest ones the scheme LSAT alone.',
    'compat: { lsat: true }',
    ...smallLines(parts),
    '',
    'services:',
    ...serviceLines(source, { ...options, taken, firstByteSeconds: firstByteSeconds(source) }),
    ...staticLines(parts, taken),
  ]
  if (source.count('services') === 0 && !source.flag('servestatic'))
    source.issue(['services'], 'no services, expected at least one')
  if (source.issues.length > 0) throw new ConfigError(options.file, source.issues)
  const notes = [...source.notes].sort(
    (a, b) => a.position.line - b.position.line || a.position.column - b.position.column,
  )
  return { text: `${[...head(notes), '', ...body].join('\n')}\n`, notes }
}

interface Parts extends TranslateOptions {
  readonly source: ApertureSource
  readonly basedir: string
}

function head(notes: readonly ConfigIssue[]): string[] {
  const lines = comment('Made from an aperture.yaml. "turnpike check" prints what it sells.')
  if (notes.length === 0) return lines
  return [
    ...lines,
    '#',
    '# What is different (line of aperture.yaml):',
    ...notes.flatMap(({ position, message }) => comment(`${position.line}: ${message}`)),
  ]
}

function baseFolder(source: ApertureSource, { folder, env }: TranslateOptions): string {
  const named = source.text('basedir')
  return named === '' ? apertureFolder(env) : goPath(named, { folder, env })
}

function listenLines({ source, basedir, exists }: Parts): string[] {
  const given = source.text('listenaddr')
  // Go listens on every interface then; IPv6 too.
  const address = goAddress(given, '0.0.0.0')
  if (address === undefined) source.issue(['listenaddr'], 'expected host:port such as 127.0.0.1:8081')
  else if (given.startsWith(':'))
    source.note(
      ['listenaddr'],
      'carried in part: 0.0.0.0 is every IPv4 interface; "[::]" is those of IPv6 too',
    )
  if (source.flag('insecure')) return [`listen: ${quoted(address ?? '')} # insecure: HTTP/1.1 and h2c`]
  if (source.flag('autocert'))
    return [
      `listen: ${quoted(`127.0.0.1:${address?.split(':').at(-1)}`)} # behind Caddy or another one that has certificates`,
    ]
  const [certFile, keyFile] = ['tls.cert', 'tls.key'].map((name) => join(basedir, name))
  if (!exists(certFile ?? '') || !exists(keyFile ?? ''))
    source.note(
      ['insecure'],
      'carried in part: there is no tls.cert with tls.key in the base folder, and none is made here ("turnpike init --tls" makes one for development)',
    )
  return [
    `listen: ${quoted(address ?? '')}`,
    `tls: ${flow([
      ['certFile', quoted(certFile ?? '')],
      ['keyFile', quoted(keyFile ?? '')],
    ])}`,
  ]
}

const NETWORKS: readonly string[] = ['regtest', 'simnet', 'testnet', 'mainnet', 'signet']

function lightningLines({ source, folder, env }: Parts): string[] {
  const network = source.text('authenticator.network')
  if (network !== '' && !NETWORKS.includes(network))
    source.issue(['authenticator', 'network'], `expected ${NETWORKS.join(', ')}`)
  const lines = network === '' ? [] : [`network: ${network}`]
  const host = source.text('authenticator.lndhost')
  if (host === '') {
    source.note(['authenticator'], 'carried in part: no lnd is named, expected a "lightning" section')
    return [
      ...lines,
      '# lightning: { backend: lnd, url: "https://127.0.0.1:8080", macaroonFile: invoice.macaroon, tlsCertFile: tls.cert }',
    ]
  }
  const name = host.replace(/^https?:\/\//, '').replace(/:\d+$/, '')
  if (!/^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)$/.test(name))
    source.issue(['authenticator', 'lndhost'], 'expected host:port of lnd')
  const file = (folderName: string, below = ''): string | undefined =>
    folderName === '' ? undefined : quoted(join(goPath(folderName, { folder, env }), below))
  return [
    ...lines,
    '# Over REST: "restlisten" of lnd says the port.',
    `lightning: ${flow([
      ['backend', 'lnd'],
      ['url', quoted(`https://${name}:8080`)],
      ['macaroonFile', file(source.text('authenticator.macdir'), 'invoice.macaroon')],
      ['tlsCertFile', file(source.text('authenticator.tlspath'))],
    ])}`,
  ]
}

/** Where Aperture has the keys of what it sold. */
function keyLines({ source, basedir, folder, env, exists }: Parts): string[] {
  const backend = source.text('dbbackend') || 'etcd'
  if (backend === 'sqlite') {
    const named = source.text('sqlite.databasefilename')
    const file = named === '' ? join(basedir, 'aperture.db') : goPath(named, { folder, env })
    if (exists(file))
      return [`keys: { aperture: ${quoted(`sqlite:${file}`)} } # what Aperture sold opens here`]
    source.note(['dbbackend'], `carried in part: there is no ${file}, so no token of Aperture’s opens here`)
    return [`# keys: { aperture: ${quoted(`sqlite:${file}`)} }`]
  }
  if (backend === 'postgres') {
    const part = (key: string): string => encodeURIComponent(source.text(`postgres.${key}`))
    const port = source.whole('postgres.port') || 5432
    const tls = source.flag('postgres.requiressl') ? '?sslmode=require' : ''
    const host = source.text('postgres.host') || '127.0.0.1'
    const url = `postgres://${part('user')}:${part('password')}@${host}:${port}/${part('dbname')}${tls}`
    return [`keys: { aperture: ${quoted(url)} } # what Aperture sold opens here`]
  }
  if (backend !== 'etcd') source.issue(['dbbackend'], 'expected sqlite, postgres or etcd')
  source.note(
    ['dbbackend'],
    'not carried: etcd (which Aperture takes where nothing is said) is not read, so no token of Aperture’s opens here',
  )
  return []
}

const LEVELS: Readonly<Record<string, string>> = {
  trace: 'debug',
  debug: 'debug',
  info: 'info',
  warn: 'warn',
  error: 'error',
  critical: 'error',
  off: 'silent',
}

function smallLines({ source }: Parts): string[] {
  const lines: string[] = []
  const blocks = source.texts('blocklist').flatMap((address, index) => {
    // Aperture warns of what is no address, and passes over it.
    if (/^\d{1,3}(?:\.\d{1,3}){3}$/.test(address) && address.split('.').every((part) => Number(part) < 256))
      return `${address}/32`
    if (/^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$/.test(address) && URL.canParse(`http://[${address}]/`))
      return `${address}/128`
    source.note(['blocklist', index], 'not carried: not an IP address')
    return []
  })
  if (blocks.length > 0) lines.push(`block: [${blocks.map((each) => quoted(each)).join(', ')}]`)
  const level = source.text('debuglevel')
  if (level !== '') {
    const known = LEVELS[level.toLowerCase()]
    if (known === undefined)
      source.note(['debuglevel'], 'carried in part: there is one level for everything; "info" is taken')
    lines.push(`log: { level: ${known ?? 'info'} }`)
  }
  const metrics = source.text('prometheus.listenaddr')
  if (source.flag('prometheus.enabled')) {
    const address = goAddress(metrics, '127.0.0.1')
    if (address === undefined) source.issue(['prometheus', 'listenaddr'], 'expected host:port')
    lines.push(`admin: { listen: ${quoted(address ?? '')} } # /metrics, and the admin API`)
  }
  return lines.length === 0 ? [] : ['', ...lines]
}

/** The files that Aperture serves where no service matches. */
function staticLines({ source, folder, env, exists }: Parts, taken: ReadonlySet<string>): string[] {
  if (!source.flag('servestatic')) return []
  if (taken.has(takenKey('', '/*'))) {
    source.note(['servestatic'], 'not carried: a service takes every path')
    return []
  }
  const root = goPath(source.text('staticroot'), { folder, env })
  if (!exists(root)) {
    source.note(['staticroot'], 'not carried: there is no such folder')
    return []
  }
  const names = new Set(
    Array.from({ length: source.count('services') }, (_, index) => source.text('name', ['services', index])),
  )
  const name = names.has('static') ? 'static-files' : 'static'
  return [`  ${name}:`, `    static: ${quoted(root)}`, '    routes:', '      - { match: "/*", free: true }']
}

/** `writetimeout` in whole seconds; there is no end where it is 0 or less, and here the longest one. */
function firstByteSeconds(source: ApertureSource): number {
  const ns = source.duration('writetimeout') ?? 30e9
  return ns <= 0 ? 86_400 : Math.max(1, Math.ceil(ns / 1e9))
}
