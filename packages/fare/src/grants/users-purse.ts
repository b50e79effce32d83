/** The purse as its user has it, beside those who buy under grants. */

import { existsSync } from 'node:fs'
import type { PurseStore } from '@turnpike/l402/client'
import { openGrantBook } from './grant-book.ts'

/**
 * Makes the view. Where its user sends a payment of a grant again, it stays the payment of that grant, which would buy a
 * second time otherwise. `file` holds the grants, if there are any.
 */
export function usersPurse(purse: PurseStore, file: string): PurseStore {
  return {
    ...purse,
    async renew(paymentHash, order, limits) {
      const payment = await purse.payment(paymentHash)
      if (payment && existsSync(file)) {
        const book = openGrantBook(file)
        try {
          book.noteRenewal(paymentHash, { fromMs: payment.createdAtMs, nowMs: order.nowMs })
        } finally {
          book.close()
        }
      }
      return await purse.renew(paymentHash, order, limits)
    },
  }
}
