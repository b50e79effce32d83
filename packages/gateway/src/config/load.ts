/** From a file name to a {@link Config}, or to every fault of the file at once. */

import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { CommandError, exitCode } from '../cli/exit.ts'
import { checkAmounts, readAmounts } from './amounts.ts'
import { readAperture, readStore } from './backends.ts'
import type { Config, ListenAddress } from './config.ts'
import { readDiscovery } from './discovery.ts'
import { describeFaults } from './faults.ts'
import { type ForwardAuthConfig, readForwardAuth } from './forward-auth.ts'
import { checkHolds } from './hold.ts'
import { ConfigError, type ConfigIssue } from './issue.ts'
import { readLightning } from './lightning.ts'
import { readAddressLists, readEconomics } from './limits.ts'
import { readListen } from './listen.ts'
import { readAccess, readTracing } from './observing.ts'
import { type OverlayText, overlayName, readOverlay, withOverlay } from './overlay.ts'
import { pageOf } from './page.ts'
import { readRates } from './pricing.ts'
import { checkWorkers, workerCount } from './processes.ts'
import { fileSchema } from './schema.ts'
import { readServices } from './services.ts'
import { readSessions } from './sessions.ts'
import { readStrict } from './strict.ts'
import { readTls } from './tls.ts'
import { readWebhooks } from './webhooks.ts'
import { readYaml, type YamlSource } from './yaml-source.ts'

const LOOPBACK: readonly string[] = ['127.0.0.1/32', '::1/128']

/** Largest configuration file, in bytes. */
const MAX_FILE_BYTES = 4 * 1024 * 1024

/** How to read a configuration. */
export interface LoadOptions {
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** Sandbox Lightning, whatever the file says. */
  readonly sandbox: boolean
  /** `false` for a command that opens no backend: what one must be able to do is not asked then. */
  readonly serves?: boolean
}

/** Reads and checks `file`. Throws {@link ConfigError} or {@link CommandError}, both with exit code 78. */
export function loadConfig(file: string, options: LoadOptions): Config {
  const absolute = resolve(options.cwd, file)
  let bytes: Buffer
  try {
    bytes = readFileSync(absolute)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    const why =
      code === 'ENOENT'
        ? 'no such file, expected a configuration. "turnpike init" writes one; -c names another.'
        : `cannot be read (${String(code ?? 'unknown fault')}), expected a readable file.`
    throw new CommandError(exitCode.config, `${file}: ${why}`)
  }
  const overlay = readOverlay(overlayName(absolute), overlayName(file))
  return parseConfig(decodeText(file, bytes), { ...options, file, folder: dirname(absolute), overlay })
}

function decodeText(file: string, bytes: Buffer): string {
  if (bytes.length > MAX_FILE_BYTES) {
    const message = 'larger than 4 MiB, expected a configuration'
    throw new ConfigError(file, [{ position: { line: 1, column: 1 }, message }])
  }
  if (isUtf8(bytes)) return bytes.toString('utf8').replace(/^\uFEFF/, '')
  // What cannot be decoded is replaced by U+FFFD.
  const before = (bytes.toString('utf8').split('\uFFFD', 1)[0] ?? '').split('\n')
  const position = { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
  throw new ConfigError(file, [{ position, message: 'not UTF-8, expected YAML text' }])
}

/** Checks the text of a configuration. Throws {@link ConfigError}. */
export function parseConfig(
  text: string,
  options: Omit<LoadOptions, 'cwd'> & {
    readonly file: string
    readonly folder: string
    readonly overlay?: OverlayText | undefined
  },
): Config {
  const { file, folder, overlay } = options
  const source = withOverlay(readYaml(text, options.env), overlay, options.env)
  if (source.issues.length > 0) throw new ConfigError(file, source.issues)
  const top = source.value
  if (typeof top !== 'object' || top === null || Array.isArray(top)) {
    const message = `${top === null ? 'an empty file' : 'not a table'}, expected keys such as "listen" and "services"`
    throw new ConfigError(file, [{ position: { line: 1, column: 1 }, message }])
  }

  const issues: ConfigIssue[] = []
  const parsed = fileSchema.safeParse(top)
  if (!parsed.success) issues.push(...describeFaults(source, [], parsed.error))
  const { lightning, files } = readLightning(source, { sandbox: options.sandbox, folder }, issues)
  const amounts = options.sandbox ? {} : readAmounts(source, issues)
  const strict = readStrict(source, issues)
  const store = readStore(source, folder, issues)
  const aperture = readAperture(source, folder, issues)
  const listen = readListen(source, issues)
  const tls = readTls(source, folder, issues)
  const services = readServices(source, { folder, issues })
  if (!parsed.success) throw new ConfigError(file, issues)

  const data = parsed.data
  const admin = data.admin?.listen ?? { host: '127.0.0.1', port: 8403 }
  checkListeners(source, listen, admin, issues)
  checkForwardAuth(source, { ask: readForwardAuth(data.forwardAuth), others: [...listen, admin] }, issues)
  const { serves = true } = options
  if (serves && data.network === 'mainnet' && lightning.some(({ backend }) => backend === 'sandbox')) {
    const message =
      'network: the sandbox is play money and never runs on mainnet, expected "regtest" or no network'
    issues.push({ position: source.locate(['network']), message })
  }
  for (const [index, { proxyProtocol }] of listen.entries()) {
    if (proxyProtocol !== true || (data.trustedProxies ?? []).length > 0) continue
    const message =
      'listen: nobody may send a PROXY protocol header, expected "trustedProxies" to name who does'
    issues.push({ position: source.locate(['listen', index]), message })
  }
  const named = data.keys?.file !== undefined || data.keys?.env !== undefined
  if (data.keys !== undefined && !named && data.keys.aperture === undefined) {
    const message = 'keys: names no keys, expected { file: turnpike.key } or { env: NAME }'
    issues.push({ position: source.locate(['keys']), message })
  }
  const workers = workerCount(data.workers)
  if (store !== undefined) checkWorkers(source, { workers, store }, issues)
  checkHolds(source, { services, store, lightning: serves ? lightning : [] }, issues)
  checkAmounts(source, { services, lightning, amounts }, issues)
  const played = options.sandbox ? 'told' : lightning[0]?.backend === 'sandbox'
  const sessions = readSessions(source, { given: data.sessions, folder, sandbox: played }, issues)
  const access = readAccess(data.log, { source, folder, issues })
  if (issues.length > 0 || store === undefined) throw new ConfigError(file, issues)

  return {
    file,
    folder,
    listen,
    tls,
    network: data.network,
    lightning,
    lightningFiles: files,
    amounts,
    strict,
    store,
    keys: {
      files: (named ? (data.keys?.file ?? []) : ['turnpike.key']).map((name) => resolve(folder, name)),
      env: data.keys?.env ?? [],
      aperture,
      explicit: named,
    },
    services,
    rates: data.rates === undefined ? undefined : readRates(data.rates),
    challenges: {
      limit: data.challenges?.limit === undefined ? { count: 60, windowSeconds: 60 } : data.challenges.limit,
      // Left out altogether, this machine is not limited: it is where things are tried, and where a proxy in front sits.
      exempt: data.challenges === undefined ? LOOPBACK : (data.challenges.exempt ?? []),
      invoiceExpirySeconds: data.challenges?.invoiceExpiry ?? 600,
      economics: readEconomics(data.challenges),
    },
    idempotency: {
      keepSeconds: data.idempotency?.keep ?? 86_400,
      keepBytes: data.idempotency?.maxAnswer ?? 262_144,
    },
    access: readAddressLists(data),
    trustedProxies: data.trustedProxies ?? [],
    admin: {
      listen: admin,
      tokenFile: data.admin?.tokenFile === undefined ? undefined : resolve(folder, data.admin.tokenFile),
    },
    webhooks: readWebhooks(data.webhooks, folder),
    journal: {
      keepSeconds: data.journal?.keep ?? 365 * 86_400,
      openInvoices: data.journal?.openInvoices ?? 0,
    },
    overlay: {
      file: overlayName(resolve(folder, basename(file))),
      shown: overlayName(file),
      mainText: text,
      text: overlay?.text,
    },
    lsat: data.compat?.lsat ?? false,
    discovery: readDiscovery(data.discovery),
    paymentScheme: data.paymentScheme ?? 'asked',
    sessions,
    page: pageOf(data.page),
    forwardAuth: readForwardAuth(data.forwardAuth),
    drainTimeoutMs: (data.drainTimeout ?? 30) * 1000,
    log: { level: data.log?.level ?? 'info', requests: data.log?.requests ?? 'problems', access },
    tracing: readTracing(data.tracing, folder),
    workers,
  }
}

const EVERY_INTERFACE = new Set(['0.0.0.0', '::'])

/** Whether two listeners would want the same port. */
function meet(a: ListenAddress, b: ListenAddress): boolean {
  return (
    a.port !== 0 &&
    a.port === b.port &&
    (a.host === b.host || EVERY_INTERFACE.has(a.host) || EVERY_INTERFACE.has(b.host))
  )
}

/** Where proxies ask is no address of anything else. */
function checkForwardAuth(
  source: YamlSource,
  { ask, others }: { readonly ask: ForwardAuthConfig | undefined; readonly others: readonly ListenAddress[] },
  issues: ConfigIssue[],
): void {
  if (ask === undefined) return
  const taken = [...others]
  for (const [key, address] of [
    ['listen', ask.listen],
    ['envoy', ask.envoy],
  ] as const) {
    if (address === undefined) continue
    if (taken.some((other) => meet(other, address)))
      issues.push({
        position: source.locate([
          'forwardAuth',
          ...(source.get(['forwardAuth', key]) === undefined ? [] : [key]),
        ]),
        message: `forwardAuth.${key}: ${address.host}:${address.port} is also another listener's, expected an address of its own`,
      })
    taken.push(address)
  }
}

/** No address twice, and nothing public where the admin listener is. */
function checkListeners(
  source: YamlSource,
  listen: readonly ListenAddress[],
  admin: ListenAddress,
  issues: ConfigIssue[],
): void {
  listen.forEach((address, index) => {
    const position = source.locate(['listen', index])
    if (
      listen
        .slice(0, index)
        .some((other) => other.port !== 0 && other.port === address.port && other.host === address.host)
    ) {
      issues.push({
        position,
        message: `listen: ${address.host}:${address.port} stands there twice, expected it once`,
      })
    }
    if (meet(address, admin)) {
      const declared = source.get(['admin', 'listen']) !== undefined
      issues.push({
        position: declared ? source.locate(['admin', 'listen']) : position,
        message: `admin.listen: ${admin.host}:${admin.port} is also a public address, expected an address of its own`,
      })
    }
  })
}
