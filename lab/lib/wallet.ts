/** What clients bought, and what they handed on of it. */

import {
  attenuateMacaroon,
  decodeBase64,
  decodeIdentifier,
  decodeMacaroon,
  decodeUtf8,
  encodeBase64,
  encodeHex,
  encodeMacaroon,
  type Macaroon,
  verifyChain,
} from '@turnpike/l402'
import { deriveRootKey } from '@turnpike/l402/server'
import { ask, type Response } from '../../packages/gateway/test/e2e/client.ts'
import { challengeOf, MASTER_KEY, type Program, pay } from '../../packages/gateway/test/e2e/program.ts'
import type { Budget } from './budget.ts'
import { SERVICE, type Ware } from './wares.ts'

/** Something that opens a route. */
export interface Credential {
  readonly ware: Ware
  readonly tokenId: string
  readonly paymentHash: string
  readonly macaroon: Macaroon
  readonly preimage: string
  /** A whole `Authorization` value. */
  readonly authorization: string
  /** All that a request with it draws on. */
  readonly budgets: readonly Budget[]
}

/** Everything that was bought by the clients of one suite. */
export interface Wallet {
  /** By their names in the books. */
  readonly budgets: ReadonlyMap<string, Budget>
  /** Payment hashes of all that was bought. */
  readonly payments: ReadonlySet<string>
  /** Buys a ware. Throws where the gateway dies meanwhile, or sells something else. */
  buy(gateway: Pick<Program, 'url' | 'admin'>, ware: Ware): Promise<Credential>
  /** Pays what an answer of 402 asks for. */
  accept(gateway: Pick<Program, 'admin'>, ware: Ware, refused: Response): Promise<Credential>
  /** A narrower copy. */
  narrow(credential: Credential, ...caveats: readonly string[]): Credential
}

/** A wallet without anything. */
export function emptyWallet(): Wallet {
  const budgets = new Map<string, Budget>()
  const payments = new Set<string>()

  function budget(kind: string, is: Pick<Budget, 'unit' | 'key' | 'account' | 'granted'>): Budget {
    const known = budgets.get(is.key)
    if (known !== undefined) return known
    const made = { ...is, kind, uses: [] }
    budgets.set(is.key, made)
    return made
  }

  /** The counters on a macaroon's chain: each is named by the signature just after its caveat (protocol §5). */
  function budgetsOf(ware: Ware, macaroon: Macaroon, tokenId: string): readonly Budget[] {
    const chain = verifyChain(deriveRootKey(MASTER_KEY, macaroon.identifier), macaroon)
    if (chain === undefined) throw new Error('the gateway uses another key than it was given')
    const found: Budget[] = []
    macaroon.caveats.forEach(({ id }, i) => {
      const [, name = '', value = ''] = /^lab_([a-z_]+)=(\d+)$/.exec(decodeUtf8(id) ?? '') ?? []
      const key = encodeHex(chain[i + 1] ?? new Uint8Array())
      const own = i > 0 && found.length > 0 ? `${ware.route}, handed on` : ware.route
      const is = { key, account: false, granted: BigInt(value || 0) }
      if (name === 'max_calls') found.push(budget(own, { ...is, unit: 'calls' }))
      if (name === 'max_spend_msat') found.push(budget(`${ware.route}, handed on`, { ...is, unit: 'msat' }))
    })
    if (ware.creditMsat !== null)
      found.push(budget(ware.route, { unit: 'msat', key: tokenId, account: true, granted: 0n }))
    return found
  }

  function credential(ware: Ware, macaroon: Macaroon, preimage: string): Credential {
    const identifier = decodeIdentifier(macaroon.identifier)
    const tokenId = encodeHex(identifier.tokenId)
    return {
      ware,
      tokenId,
      paymentHash: encodeHex(identifier.paymentHash),
      macaroon,
      preimage,
      authorization: `L402 ${encodeBase64(encodeMacaroon(macaroon))}:${preimage}`,
      budgets: budgetsOf(ware, macaroon, tokenId),
    }
  }

  async function accept(
    { admin }: Pick<Program, 'admin'>,
    ware: Ware,
    refused: Response,
  ): Promise<Credential> {
    const { macaroon, invoice } = challengeOf(refused)
    const preimage = await pay(admin, invoice)
    const bought = credential(ware, decodeMacaroon(decodeBase64(macaroon) ?? new Uint8Array()), preimage)
    payments.add(bought.paymentHash)
    const account = bought.budgets.find((each) => each.account)
    if (account !== undefined) account.granted += ware.creditMsat ?? 0n
    return bought
  }

  return {
    budgets,
    payments,
    accept,
    async buy(gateway, ware) {
      return accept(gateway, ware, await ask(gateway.url, 'GET', `/${ware.route}/x`))
    },
    narrow({ ware, macaroon, preimage }, ...caveats) {
      const narrower = attenuateMacaroon(
        macaroon,
        caveats.map((caveat) => `${SERVICE}_${caveat}`),
      )
      return credential(ware, narrower, preimage)
    },
  }
}
