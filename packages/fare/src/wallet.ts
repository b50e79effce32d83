import { isL402Error, L402Error, type Network } from '@turnpike/l402'
import type { PaymentBackend } from '@turnpike/l402/lightning'
import { findKind } from '@turnpike/l402/lightning/kinds'
import { sandboxWallet } from '@turnpike/l402/lightning/sandbox-wallet'
import { UsageError } from './cli/usage-error.ts'
import { readConfig, type WalletEntry } from './config-file.ts'
import { configFile } from './paths.ts'

/** Where a sandbox gateway's admin listener is when nothing else is said. */
const DEFAULT_SANDBOX_URL = 'http://127.0.0.1:8403'

/** Which wallet was asked for. */
export interface WalletChoice {
  readonly sandbox: boolean
  /** `--wallet NAME`. */
  readonly name: string | undefined
}

/** A wallet by name, reached only when money is needed. */
export interface ChosenWallet {
  readonly name: string
  /** Networks it can pay on, where that is known without asking it. */
  readonly networks?: readonly Network[]
  readonly open: () => Promise<PaymentBackend>
}

/**
 * The wallet to pay from: the sandbox, the one that was named (`--wallet`, `FARE_WALLET`), or the first that was added.
 *
 * @throws UsageError for a wallet that is not set up, `sandbox_forbidden` for a sandbox that is not on this machine.
 */
export function chooseWallet(choice: WalletChoice, env: NodeJS.ProcessEnv): ChosenWallet {
  if (choice.sandbox && choice.name !== undefined && choice.name !== 'sandbox')
    throw new UsageError('--sandbox and --wallet: expected one of them')
  const named = choice.name ?? (choice.sandbox ? 'sandbox' : env['FARE_WALLET'] || undefined)
  if (named === 'sandbox') {
    const wallet = sandboxAt(env['FARE_SANDBOX_URL'] || DEFAULT_SANDBOX_URL)
    return { name: 'sandbox', networks: [wallet.network], open: async () => wallet }
  }
  const { wallets, wallet } = readConfig(configFile(env))
  const name = named ?? wallet
  if (name === undefined) return noWallet
  const entry = wallets.get(name)
  if (entry === undefined) {
    const there = ['sandbox', ...wallets.keys()].join(', ')
    throw new UsageError(`no wallet "${name}"; there are ${there} (fare wallet add sets one up)`)
  }
  return { name, open: () => openWallet(entry) }
}

/**
 * Opens a wallet: its network and what its credential allows are found out first.
 *
 * @throws UsageError for a setting that cannot be meant, `lightning_unavailable` or `lightning_invalid` in plain words.
 */
async function openWallet({ backend, settings }: WalletEntry): Promise<PaymentBackend> {
  const kind = findKind(backend, 'pay')
  if (kind?.openWallet === undefined) throw new UsageError(`no backend "${backend}"`)
  try {
    return await kind.openWallet(settings, {})
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw new UsageError(error.message)
    if (isL402Error(error, 'lightning_invalid') && 'network' in error.details) {
      const remedy = `as its --network says: add it anew with --network ${error.details['network']}, or name another node`
      throw new L402Error(error.code, `${error.message} ${remedy}`, { details: error.details })
    }
    throw error
  }
}

const noWallet: ChosenWallet = {
  name: 'none',
  open: async () => {
    throw new L402Error(
      'lightning_unavailable',
      'no wallet is set up; --sandbox pays with the play money of a gateway started with: turnpike serve --sandbox, and fare wallet add sets up a real one',
    )
  },
}

function sandboxAt(url: string): PaymentBackend {
  try {
    return sandboxWallet({ url })
  } catch (error) {
    if (isL402Error(error)) throw error
    throw new UsageError('FARE_SANDBOX_URL: expected a URL such as http://127.0.0.1:8403')
  }
}
