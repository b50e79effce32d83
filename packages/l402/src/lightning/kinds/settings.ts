/** What a backend is set up with, as people type it: in `turnpike.yaml`, and after `fare wallet add`. */

import type { Network } from '../../core/network.ts'
import type { InvoiceBackend, InvoiceCapabilities, PaymentBackend, PaymentCapabilities } from '../backend.ts'

/** What a backend is opened for: a seller's invoices, or a buyer's payments. */
export type Role = 'receive' | 'pay'

/** One setting of a kind. */
export interface Setting {
  /** In camel case: `url`, `macaroon`. A secret `x` is given as the file `xFile`, or as `x` where that is not inline. */
  readonly name: string
  readonly type: 'url' | 'text' | 'secret' | 'file' | 'flag'
  /** What it is, for messages and help. */
  readonly what: string
  readonly required?: boolean
  /** Left out: both. */
  readonly only?: Role
}

/** Settings as given: texts by key; file names absolute. */
export type SettingValues = Readonly<Record<string, string>>

/** What is known besides the settings. */
export interface OpenContext {
  /** The network it must be on. */
  readonly network?: Network | undefined
}

/** A kind of backend: how it is set up, what it can do, and how it is opened. */
export interface BackendKind {
  /** As in `backend: lnd`. */
  readonly name: string
  /** Its full name, for people. */
  readonly title: string
  readonly settings: readonly Setting[]
  /** What its tests run on: the real program, or its documented HTTP. */
  readonly tested: 'real' | 'fixture'
  readonly receives?: InvoiceCapabilities
  readonly pays?: PaymentCapabilities
  /** Throws `lightning_unavailable`, `lightning_invalid`, or a `TypeError` naming the setting. */
  openInvoices?(values: SettingValues, context: OpenContext): Promise<InvoiceBackend>
  /** Throws like `openInvoices`. */
  openWallet?(values: SettingValues, context: OpenContext): Promise<PaymentBackend>
}

/** One key that may be given. */
export interface SettingKey {
  readonly key: string
  readonly type: 'url' | 'text' | 'file' | 'flag'
  /** Its value is itself a secret: never inline, never in a message. */
  readonly secret: boolean
  readonly setting: Setting
}

/** The keys of a kind for a role, in order. */
export function settingKeys(kind: BackendKind, role: Role): readonly SettingKey[] {
  return kind.settings
    .filter(({ only }) => only === undefined || only === role)
    .flatMap((setting): SettingKey[] => {
      const { name, type } = setting
      if (type !== 'secret') return [{ key: name, type, secret: false, setting }]
      return [
        { key: `${name}File`, type: 'file', secret: false, setting },
        { key: name, type: 'text', secret: true, setting },
      ]
    })
}

/** What is wrong with one key of the settings, or (without a key) with all of them. */
export interface SettingFault {
  readonly key: string | undefined
  readonly message: string
}

/** Everything that is wrong with settings, before anything is opened. No message holds a value. */
export function checkSettings(
  kind: BackendKind,
  role: Role,
  given: Readonly<Record<string, unknown>>,
): readonly SettingFault[] {
  const keys = settingKeys(kind, role)
  const faults: SettingFault[] = []
  for (const [key, value] of Object.entries(given)) {
    const known = keys.find((one) => one.key === key)
    if (known === undefined) {
      const list = keys.map((one) => one.key).join(', ')
      faults.push({ key, message: `unknown key "${key}", expected one of ${list}` })
    } else if (known.type === 'flag') {
      if (typeof value !== 'boolean' && value !== 'true' && value !== 'false')
        faults.push({ key, message: `${key}: expected true or false` })
    } else if (typeof value !== 'string' || value === '') {
      faults.push({ key, message: `${key}: expected ${known.setting.what}` })
    } else if (known.type === 'url' && !isUrl(value)) {
      faults.push({ key, message: `${key}: expected ${known.setting.what}` })
    }
  }
  for (const setting of kind.settings) {
    const own = keys.filter((one) => one.setting === setting)
    const present = own.filter(({ key }) => given[key] !== undefined)
    const [first] = own
    if (present.length > 1)
      faults.push({
        key: present[1]?.key,
        message: `${setting.name}: given twice, expected a file or a value`,
      })
    else if (setting.required && first !== undefined && present.length === 0)
      faults.push({ key: undefined, message: `the key "${first.key}" is missing, expected ${setting.what}` })
  }
  return faults
}

function isUrl(text: string): boolean {
  return (
    URL.canParse(text) &&
    /^(https?|wss?|nostr\+walletconnect|nostrwalletconnect):$/.test(new URL(text).protocol)
  )
}

/** A secret from its file or its value. Throws `lightning_unavailable` for a file that cannot be read. */
export async function secretOf(values: SettingValues, name: string): Promise<string> {
  const file = values[`${name}File`]
  if (file === undefined) return values[name] ?? ''
  const { readTextFile } = await import('../lib/files.ts')
  return await readTextFile(`${name}File`, file)
}

/** `fetch` for an address that may have a certificate of its own or be behind a proxy. */
async function fetchOf(values: SettingValues): Promise<{ readonly fetch?: typeof globalThis.fetch }> {
  const { tlsCertFile, proxy } = values
  if (tlsCertFile === undefined && proxy === undefined) return {}
  const { readTextFile } = await import('../lib/files.ts')
  const { nodeFetch } = await import('../lib/node-fetch.ts')
  const tlsCert = tlsCertFile === undefined ? undefined : await readTextFile('tlsCertFile', tlsCertFile)
  return { fetch: nodeFetch({ tlsCert, proxy }) }
}

/** Settings that many kinds share. */
export const COMMON: Readonly<Record<'tlsCert' | 'proxy' | 'network' | 'routeHints', Setting>> = {
  tlsCert: { name: 'tlsCertFile', type: 'file', what: "the file of the node's TLS certificate" },
  proxy: { name: 'proxy', type: 'text', what: 'a SOCKS 5 proxy such as socks5h://127.0.0.1:9050' },
  network: { name: 'network', type: 'text', what: 'mainnet, testnet, signet or regtest', only: 'pay' },
  routeHints: {
    name: 'routeHints',
    type: 'flag',
    what: 'hints for private channels in invoices',
    only: 'receive',
  },
}

/** The network a wallet must be on. Throws `TypeError` for what is none. */
export function networkOf(values: SettingValues, context: OpenContext): Network | undefined {
  const { network } = values
  if (network === undefined) return context.network
  const known: readonly Network[] = ['mainnet', 'testnet', 'signet', 'regtest', 'simnet']
  const found = known.find((name) => name === network)
  if (found === undefined) throw new TypeError('network: expected mainnet, testnet, signet or regtest')
  return found
}

/** The given keys that are there, for spreading into options. */
export function pick<K extends string>(values: SettingValues, keys: readonly K[]): { [P in K]?: string } {
  return Object.fromEntries(
    keys.flatMap((key) => (values[key] === undefined ? [] : [[key, values[key]]])),
  ) as { [P in K]?: string }
}

/** What nearly all kinds with an address take: `url`, a `fetch` of its own where it needs one, and the network. */
export async function common(
  values: SettingValues,
  context: OpenContext,
): Promise<{
  readonly url: string
  readonly fetch?: typeof globalThis.fetch
  readonly network?: Network
}> {
  return { url: values['url'] ?? '', ...(await apart(values, context)) }
}

/** The same for kinds whose address is known, or is no URL. */
export async function apart(
  values: SettingValues,
  context: OpenContext,
): Promise<{ readonly url?: string; readonly fetch?: typeof globalThis.fetch; readonly network?: Network }> {
  const network = networkOf(values, context)
  return {
    ...pick(values, ['url']),
    ...(await fetchOf(values)),
    ...(network === undefined ? {} : { network }),
  }
}
