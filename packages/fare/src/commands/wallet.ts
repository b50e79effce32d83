import { resolve } from 'node:path'
import { isWrittenOff, type PaymentRecord, type PurseStore } from '@turnpike/l402/client'
import { checkSettings, findKind, settingKeys } from '@turnpike/l402/lightning/kinds'
import { toJson } from '../cli/json.ts'
import { OPTIONS, parseOptions } from '../cli/options.ts'
import type { Streams } from '../cli/streams.ts'
import { columns, printable } from '../cli/text.ts'
import { UsageError } from '../cli/usage-error.ts'
import { flagOf, flagsOf } from '../cli/wallet-options.ts'
import {
  type FareConfig,
  readConfig,
  WALLET_NAME,
  type WalletEntry,
  walletKinds,
  writeConfig,
} from '../config-file.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { configFile } from '../paths.ts'
import { openSession } from '../session.ts'
import { chooseWallet } from '../wallet.ts'
import { checkWalletFile } from './wallet-files.ts'
import { testWallet } from './wallet-test.ts'

const EXPECTED = 'expected: fare wallet add NAME --backend B … | list | test [NAME] | remove NAME | use NAME'

/** `fare wallet add · list · test · remove · use`: where the money comes from. */
export async function wallet(
  args: readonly string[],
  streams: Streams,
  env: NodeJS.ProcessEnv,
): Promise<ExitCode> {
  const { values, positionals } = parseOptions(args, OPTIONS.wallet)
  const [action, name, ...rest] = positionals
  if (rest.length > 0 || action === undefined) throw new UsageError(EXPECTED)
  const { json = false, sandbox = false, backend, ...typed } = values as Typed
  const file = configFile(env)
  const say = async (text: string, value: object): Promise<ExitCode> => {
    await streams.out(json ? toJson({ ok: true, exitCode: EXIT.fetched, ...value }) : `${text}\n`)
    return EXIT.fetched
  }
  if (action === 'add') {
    const entry = typedWallet(backend, typed)
    // Before anything is opened or made.
    newName(name, readConfig(file))
    return await changing(env, async (config, purse) => {
      const own = newName(name, config)
      // One by hand, perhaps: the name in the books stands for another wallet then.
      await assertEnded(own, purse, 'add')
      const isFirst = config.wallets.size === 0 && config.wallet === undefined
      const wallets = new Map([...config.wallets, [own, entry] as const])
      writeConfig(file, { wallet: isFirst ? own : config.wallet, wallets })
      const pays = isFirst ? ' It pays from now on.' : ` --wallet ${own} pays with it.`
      return await say(`Added wallet "${own}".${pays} fare wallet test ${own} tries it.`, { wallet: own })
    })
  }
  if (backend !== undefined || Object.keys(typed).length > 0)
    throw new UsageError(`fare wallet ${action} takes no settings; did you mean fare wallet add?`)
  switch (action) {
    case 'list':
      if (name !== undefined) throw new UsageError(EXPECTED)
      return await list(readConfig(file), streams, json)
    case 'test':
      return await testWallet(chooseWallet({ sandbox, name }, env), streams, json)
    case 'remove':
    case 'use':
      namedWallet(name, readConfig(file))
      return await changing(env, async (config, purse) => {
        const own = namedWallet(name, config)
        const { wallets } = config
        if (action === 'use') {
          writeConfig(file, { wallet: own, wallets })
          return await say(`Wallet "${own}" pays from now on.`, { wallet: own })
        }
        await assertEnded(own, purse, 'remove')
        const left = new Map([...wallets].filter(([other]) => other !== own))
        writeConfig(file, { wallet: config.wallet === own ? undefined : config.wallet, wallets: left })
        return await say(`Removed wallet "${own}". Its files of secrets stay where they are.`, {
          wallet: own,
        })
      })
    default:
      throw new UsageError(EXPECTED)
  }
}

/** Reads and writes the file under one lock: of two that change it at once neither may undo the other's change. */
async function changing(
  env: NodeJS.ProcessEnv,
  change: (config: FareConfig, purse: PurseStore) => Promise<ExitCode>,
): Promise<ExitCode> {
  const { purse, close } = openSession(env)
  try {
    return await purse.withLock('config', () => change(readConfig(configFile(env)), purse))
  } finally {
    await close()
  }
}

/**
 * Only the wallet that was asked to pay can say that it did not (rule C3), and the books know it by its name: another one under
 * the same name would say so of a payment that is under way, and it would be paid twice. One that was written off is waited for
 * no more, but its name is free only where another wallet is known to be another.
 */
async function assertEnded(name: string, purse: PurseStore, action: 'add' | 'remove'): Promise<void> {
  let open = 0
  for (const payment of await purse.openPayments()) {
    if (payment.wallet !== name) continue
    const isLeft = action === 'remove' || hasSureId(payment)
    if (!(isLeft && (await isWrittenOff(purse, payment)))) open++
  }
  if (open > 0)
    throw new UsageError(
      `wallet "${name}" was asked to pay ${open} payment${open === 1 ? '' : 's'} whose end is open, and no other wallet can say what became of that: fare recover first; where it is gone for good, fare recover --write-off ID gives one up`,
    )
}

/** Whether the node itself told who it is: an address may be another one's later. */
function hasSureId({ walletId }: PaymentRecord): boolean {
  return walletId !== undefined && !walletId.startsWith('at:')
}

interface Typed {
  readonly json?: boolean
  readonly sandbox?: boolean
  readonly backend?: string
  readonly [flag: string]: string | boolean | undefined
}

function newName(name: string | undefined, { wallets }: FareConfig): string {
  if (name === undefined) throw new UsageError('fare wallet add: expected a name for the wallet')
  if (!WALLET_NAME.test(name) || name === 'sandbox' || name === 'none')
    throw new UsageError(`"${name}" cannot be a wallet's name: expected letters, digits, dots, dashes`)
  if (wallets.has(name))
    throw new UsageError(`there is a wallet "${name}" already; fare wallet remove ${name}`)
  return name
}

function namedWallet(name: string | undefined, config: FareConfig): string {
  if (name === undefined || !config.wallets.has(name)) throw new UsageError(missing(name, config))
  return name
}

function missing(name: string | undefined, { wallets }: FareConfig): string {
  const there = wallets.size === 0 ? 'none is set up' : `there are ${[...wallets.keys()].join(', ')}`
  return name === undefined ? `expected the name of a wallet; ${there}` : `no wallet "${name}"; ${there}`
}

/** The settings as typed, file names made absolute, and their files looked at. */
function typedWallet(
  backend: string | undefined,
  typed: Readonly<Record<string, string | boolean | undefined>>,
): WalletEntry {
  const kind = backend === undefined ? undefined : findKind(backend, 'pay')
  if (kind === undefined) throw new UsageError(`--backend: expected one of ${walletKinds()}`)
  const flags = flagsOf(kind)
  const keys = settingKeys(kind, 'pay')
  const settings: Record<string, string> = {}
  for (const [flag, value] of Object.entries(typed)) {
    const key = flags.find((one) => one.flag === flag)?.key
    if (key === undefined) {
      const list = flags.map((one) => `--${one.flag}`).join(', ')
      throw new UsageError(`--${flag} is nothing that ${kind.name} needs; it takes ${list}`)
    }
    const isFile = keys.some((one) => one.key === key && one.type === 'file')
    settings[key] = isFile ? resolve(String(value)) : String(value)
  }
  const [fault] = checkSettings(kind, 'pay', settings)
  if (fault !== undefined) throw new UsageError(inFlags(fault.message, flags))
  for (const key of keys)
    if (key.type === 'file' && settings[key.key] !== undefined) checkWalletFile(key, settings[key.key] ?? '')
  return { backend: kind.name, settings }
}

function inFlags(message: string, flags: readonly { readonly flag: string; readonly key: string }[]): string {
  const key = /^the key "(\w+)" is missing, expected (.*)$/.exec(message)
  if (key?.[1] !== undefined) return `expected --${flagOf(key[1])}: ${key[2]}`
  const named = flags.find((one) => message.startsWith(`${one.key}:`))
  return named === undefined ? message : `--${named.flag}${message.slice(named.key.length)}`
}

async function list(config: FareConfig, streams: Streams, json: boolean): Promise<ExitCode> {
  const shown = [...config.wallets].map(([name, { backend, settings }]) => ({
    name,
    backend,
    pays: name === config.wallet,
    where: whereOf(settings),
  }))
  if (json) await streams.out(toJson({ ok: true, exitCode: EXIT.fetched, wallets: shown }))
  else if (shown.length === 0)
    await streams.out('No wallet is set up. fare wallet add sets one up; --sandbox pays with play money.\n')
  else {
    const rows = shown.map(({ name, backend, pays, where }) => [
      name,
      backend,
      pays ? 'yes' : '',
      printable(where),
    ])
    await streams.out(`${columns([['NAME', 'BACKEND', 'PAYS', 'WHERE'], ...rows])}\n`)
  }
  return EXIT.fetched
}

/** Host of the address; a connection string is a secret. */
function whereOf({ url }: WalletEntry['settings']): string {
  return url !== undefined && /^https?:/.test(url) && URL.canParse(url) ? new URL(url).origin : ''
}
