import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { checkSettings, findKind, kindsFor, type SettingValues } from '@turnpike/l402/lightning/kinds'
import { type RatesConfig, readRates } from './books/rate-config.ts'
import { type FeesConfig, readFees } from './policy/fees.ts'
import { type ApprovalConfig, type HookConfig, readApproval, readHook } from './policy/policy-config.ts'

/** Loaded where there is a file to read or write. */
const yaml = (): typeof import('yaml') => createRequire(import.meta.url)('yaml') as typeof import('yaml')

/** One wallet that is set up. */
export interface WalletEntry {
  /** `lnd`, `nwc`, … */
  readonly backend: string
  readonly settings: SettingValues
}

/** `config.yaml`. */
export interface FareConfig {
  /** The wallet that pays when none is named. */
  readonly wallet: string | undefined
  readonly wallets: ReadonlyMap<string, WalletEntry>
  /** Who approves purchases; the person at the terminal where nothing is said. */
  readonly approval: ApprovalConfig
  /** What sees every purchase before it is paid. */
  readonly hook: HookConfig | undefined
  /** Most that a payment may cost in fees; one percent, and one satoshi at least, where nothing is said. */
  readonly fees: FeesConfig | undefined
  /** Whether credentials go out as copies narrowed to one request. */
  readonly attenuate: boolean
  /** Where the books learn what a bitcoin costs. */
  readonly rates: RatesConfig | undefined
}

const KEYS = '"wallet", "wallets", "approval", "hook", "fees", "rates" and "attenuate"'

/** What a wallet may be called. */
export const WALLET_NAME: RegExp = /^[a-z0-9][a-z0-9._-]{0,31}$/i

/** The file is wrong: told by its name, never with a value out of it. */
export class ConfigError extends Error {}

const EMPTY: FareConfig = {
  wallet: undefined,
  wallets: new Map(),
  approval: { by: 'terminal' },
  hook: undefined,
  fees: undefined,
  attenuate: true,
  rates: undefined,
}

/** Reads the file; one that is not there is empty. Throws {@link ConfigError}. */
export function readConfig(file: string): FareConfig {
  if (!existsSync(file)) return EMPTY
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
    throw new ConfigError(`${file}: expected a file that can be read${why}`)
  }
  const value = readYaml(file, text)
  const fail = (what: string): never => {
    throw new ConfigError(`${file}: ${what}`)
  }
  if (!isTable(value)) return fail(`expected a table with ${KEYS}`)
  const { wallet, wallets = {}, approval, hook, fees, rates, attenuate = true, ...rest } = value
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) fail(`unknown key "${unknown}", expected ${KEYS}`)
  if (wallet !== undefined && typeof wallet !== 'string') fail('wallet: expected the name of a wallet')
  if (typeof attenuate !== 'boolean') return fail('attenuate: expected true or false')
  if (!isTable(wallets)) return fail('wallets: expected a table of wallets by name')
  const read = new Map<string, WalletEntry>()
  for (const [name, entry] of Object.entries(wallets)) {
    if (!WALLET_NAME.test(name)) fail(`wallets: "${name}" is no name, expected letters, digits, dots, dashes`)
    if (!isTable(entry) || typeof entry['backend'] !== 'string')
      return fail(`wallets.${name}: the key "backend" is missing, expected one of ${walletKinds()}`)
    const { backend, ...settings } = entry
    const kind = findKind(String(backend), 'pay')
    if (kind === undefined)
      return fail(`wallets.${name}.backend: no such backend, expected one of ${walletKinds()}`)
    const [fault] = checkSettings(kind, 'pay', settings)
    if (fault !== undefined) fail(`wallets.${name}: ${fault.message}`)
    const texts = Object.entries(settings).map(([key, one]) => [key, String(one)])
    read.set(name, { backend: kind.name, settings: Object.fromEntries(texts) })
  }
  if (typeof wallet === 'string' && !read.has(wallet)) fail(`wallet: there is no wallet "${wallet}"`)
  return {
    wallet: typeof wallet === 'string' ? wallet : undefined,
    wallets: read,
    approval: readApproval(approval, fail),
    hook: readHook(hook, fail),
    fees: readFees(fees, fail),
    attenuate,
    rates: readRates(rates, fail),
  }
}

/** The plain value. A fault is told by its place, as the gateway tells it, and without what stands there. */
function readYaml(file: string, text: string): unknown {
  const { LineCounter, parseDocument } = yaml()
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, prettyErrors: false })
  const [fault] = document.errors
  if (fault) {
    const { line, col } = lineCounter.linePos(fault.pos[0])
    // Behind the colon it repeats the text that it did not expect.
    const what = fault.message.replace(/\s+/g, ' ').replace(/:.*$/, '')
    throw new ConfigError(
      `${file}:${Math.max(1, line)}:${Math.max(1, col)}: not YAML that can be read: ${what}`,
    )
  }
  try {
    return document.toJS() ?? {}
  } catch {
    throw new ConfigError(`${file}: expected YAML whose aliases come to a small table`)
  }
}

/**
 * Writes the wallets, and leaves the rest as it is, comments included. For the file's owner alone; whoever reads it sees all
 * of it or the one before. What was read may be old by then: both belong under one lock.
 */
export function writeConfig(file: string, { wallet, wallets }: Pick<FareConfig, 'wallet' | 'wallets'>): void {
  const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const { isMap, parseDocument } = yaml()
  const document = parseDocument(text)
  if (wallet === undefined) document.delete('wallet')
  else if (document.get('wallet') !== wallet) document.set('wallet', wallet)
  const table = document.get('wallets')
  // One that is empty may stand there as {}, and one by way of an alias belongs to another place.
  if (!isMap(table) || table.items.length === 0) {
    document.set('wallets', document.createNode(tableOf(wallets)))
  } else {
    const there = new Map(table.items.map(({ key }) => [String(key), key]))
    for (const [name, key] of there) if (!wallets.has(name)) table.delete(key)
    for (const [name, entry] of wallets)
      if (!there.has(name)) table.set(name, document.createNode(entryTable(entry)))
  }
  const indent = /^( +)[^ #]/m.exec(text)?.[1]?.length ?? 2
  const draft = `${file}.${process.pid}.tmp`
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  try {
    writeFileSync(draft, document.toString({ lineWidth: 0, indent }), { mode: 0o600 })
    // A draft that lay there keeps its own mode otherwise.
    chmodSync(draft, 0o600)
    renameSync(draft, file)
  } finally {
    rmSync(draft, { force: true })
  }
}

function tableOf(wallets: FareConfig['wallets']): object {
  return Object.fromEntries([...wallets].map(([name, entry]) => [name, entryTable(entry)]))
}

function entryTable({ backend, settings }: WalletEntry): object {
  return { backend, ...settings }
}

/** The kinds of wallets, for messages. */
export function walletKinds(): string {
  return kindsFor('pay')
    .map(({ name }) => name)
    .join(', ')
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
