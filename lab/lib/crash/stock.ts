/** What the clients of one lane hold, and how they come by it. */

import type { Response } from '../../../packages/gateway/test/e2e/client.ts'
import type { Credential } from '../wallet.ts'
import type { Ware } from '../wares.ts'
import { anyOf } from './clients.ts'
import type { Life, Scene } from './scene.ts'

/** What belongs together: a purchase, its narrower copies, and what topped it up. */
export interface Holding {
  readonly ware: Ware
  /** Narrower ones first: so they can be used up one after the other. */
  readonly credentials: Credential[]
  /** Those that were refused as used up. */
  readonly spent: Set<Credential>
  /** Left to be used up at the end. */
  retired: boolean
}

/** One credential, and where it belongs. */
export interface Picked {
  readonly holding: Holding
  readonly credential: Credential
}

/** Everything that was bought. */
export interface Stock {
  readonly holdings: readonly Holding[]
  /** A holding that is in use, and one of its credentials. */
  pick(ware?: Ware): Picked | undefined
  /** Buys what is missing; answers whether anything was. */
  refill(life: Life): Promise<boolean>
  /** What becomes of a holding one of whose credentials is used up: some are topped up, for the others comes a new one. */
  exhausted(life: Life, picked: Picked, refused: Response): Promise<void>
}

/** How many of each ware are in use at once. */
const IN_USE: Readonly<Record<string, number>> = { one: 6 }
const IN_USE_ELSE = 3

/** Stock of all wares of a scene. */
export function createStock(scene: Scene): Stock {
  const { wallet, wares, counts } = scene
  const holdings: Holding[] = []
  const active = new Map<Ware, Holding[]>(wares.map((ware) => [ware, []]))
  const ordered = new Map<Ware, number>()

  /** A purchase that a kill may cut short. */
  async function purchase(life: Life, buy: () => Promise<Credential>): Promise<Credential | undefined> {
    try {
      const bought = await buy()
      counts.bought++
      return bought
    } catch (error) {
      if (!life.dead) throw error
      counts.purchasesCut++
      return undefined
    }
  }

  function handOn(whole: Credential): Credential[] {
    const { ware } = whole
    if (ware.route === 'bundle') {
      const child = wallet.narrow(whole, 'max_calls=12')
      return [wallet.narrow(child, 'max_calls=5'), child, wallet.narrow(whole, 'max_calls=9'), whole]
    }
    if (ware.route === 'units') {
      const child = wallet.narrow(whole, 'max_spend_msat=6000')
      return [wallet.narrow(child, 'max_calls=6', 'max_spend_msat=2500'), child, whole]
    }
    return [whole]
  }

  function retire(holding: Holding): void {
    holding.retired = true
    const list = active.get(holding.ware) ?? []
    list.splice(list.indexOf(holding), 1)
  }

  return {
    holdings,
    pick(ware = anyOf(wares)) {
      const holding = ware === undefined ? undefined : anyOf(active.get(ware) ?? [])
      if (holding === undefined) return undefined
      const { credentials, spent } = holding
      // What the dead held is given back: now and then it is worth another try.
      const good = Math.random() < 0.05 ? credentials : credentials.filter((each) => !spent.has(each))
      const credential = anyOf(good)
      return credential === undefined ? undefined : { holding, credential }
    },
    async refill(life) {
      for (const [ware, list] of active) {
        const coming = ordered.get(ware) ?? 0
        if (list.length + coming >= (IN_USE[ware.route] ?? IN_USE_ELSE)) continue
        ordered.set(ware, coming + 1)
        try {
          const bought = await purchase(life, () => wallet.buy(life.program, ware))
          if (bought === undefined) return true
          const holding = { ware, credentials: handOn(bought), spent: new Set<Credential>(), retired: false }
          holdings.push(holding)
          list.push(holding)
        } finally {
          ordered.set(ware, (ordered.get(ware) ?? 1) - 1)
        }
        return true
      }
      return false
    },
    async exhausted(life, { holding, credential }, refused) {
      const { credentials, spent, ware } = holding
      spent.add(credential)
      const handedOn = credentials.some(({ budgets }) => budgets.length < credential.budgets.length)
      if (Math.random() < (handedOn ? 0.1 : 0.5) && credentials.length < 8) {
        const more = await purchase(life, () => wallet.accept(life.program, ware, refused))
        if (more !== undefined) {
          counts.toppedUp++
          credentials.push(more)
          // On one account, all of them are good again.
          if (ware.creditMsat !== null) spent.clear()
        }
      }
      if (spent.size === credentials.length && !holding.retired) retire(holding)
    },
  }
}
