import { isL402Error, L402Error, type Network } from '@turnpike/l402'
import type { PaymentBackend } from '@turnpike/l402/lightning'
import { sandboxWallet } from '@turnpike/l402/lightning/sandbox-wallet'
import { UsageError } from './cli/usage-error.ts'

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
 * The wallet to pay from. Today there is one kind, the sandbox's play money.
 *
 * @throws UsageError for a wallet that is not set up, `sandbox_forbidden` for a sandbox that is not on this machine.
 */
export function chooseWallet(choice: WalletChoice, env: NodeJS.ProcessEnv): ChosenWallet {
  if (choice.name !== undefined && choice.name !== 'sandbox')
    throw new UsageError(
      `no wallet "${choice.name}": the only one in this version is the sandbox (--sandbox)`,
    )
  if (choice.sandbox || choice.name === 'sandbox') {
    const wallet = sandboxAt(env['FARE_SANDBOX_URL'] || DEFAULT_SANDBOX_URL)
    return { name: 'sandbox', networks: [wallet.network], open: async () => wallet }
  }
  return {
    name: 'none',
    open: async () => {
      throw new L402Error(
        'lightning_unavailable',
        'no wallet is set up; --sandbox pays with the play money of a gateway started with: turnpike serve --sandbox',
      )
    },
  }
}

function sandboxAt(url: string): PaymentBackend {
  try {
    return sandboxWallet({ url })
  } catch (error) {
    if (isL402Error(error)) throw error
    throw new UsageError('FARE_SANDBOX_URL: expected a URL such as http://127.0.0.1:8403')
  }
}
