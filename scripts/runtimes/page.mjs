// What the page of the Chromium run has: the suite, and a buyer with IndexedDB and WebLN.
import { payingFetch } from '@turnpike/l402/client'
import { weblnWallet } from '@turnpike/l402/lightning/webln'
import { indexedDbPurse } from '@turnpike/l402/purse/indexeddb'
import { runSuite } from './suite.mjs'

async function newStore() {
  const name = `suite-${crypto.randomUUID()}`
  return () => indexedDbPurse({ name })
}

// A wallet as an extension would be: it pays by asking somebody else.
globalThis.webln = {
  enable: async () => {},
  async sendPayment(invoice) {
    const paid = await fetch('/pay', { method: 'POST', body: invoice })
    return await paid.json()
  },
}

globalThis.suite = (vectors) => runSuite(vectors, { IndexedDB: newStore })

/** Buys a path of this origin; answers status and text. */
globalThis.buy = async (path, init) => {
  const purse = indexedDbPurse()
  const wallet = await weblnWallet({ network: 'regtest' })
  try {
    const response = await payingFetch({ wallet, purse })(path, init)
    return `${response.status} ${await response.text()}`
  } finally {
    await purse.close()
  }
}
