import { afterEach } from 'vitest'
import { type SessionShop, sessionShop } from './session-shop.ts'

/** What opens shops for the tests of a file; each is stopped after its test. */
export function openShops(): typeof sessionShop {
  const shops: SessionShop[] = []
  afterEach(async () => {
    for (const shop of shops.splice(0)) await shop.stop()
  })
  return (options) => {
    const shop = sessionShop(options)
    shops.push(shop)
    return shop
  }
}
