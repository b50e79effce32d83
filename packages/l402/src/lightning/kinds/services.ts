/** The kinds that are services, or stand in front of a node of somebody's. */

import { blinkInvoiceCapabilities, blinkPaymentCapabilities } from '../blink/capabilities.ts'
import { btcpayInvoiceCapabilities, btcpayPaymentCapabilities } from '../btcpay/capabilities.ts'
import { lnurlInvoiceCapabilities } from '../lnurl/capabilities.ts'
import { opennodeInvoiceCapabilities } from '../opennode/capabilities.ts'
import { strikeInvoiceCapabilities, strikePaymentCapabilities } from '../strike/capabilities.ts'
import { apart, type BackendKind, COMMON, common, type Setting, secretOf } from './settings.ts'

const KEY: Setting = { name: 'key', type: 'secret', required: true, what: 'the file of an API key' }

function urlOf(otherwise: string): Setting {
  return { name: 'url', type: 'url', what: `another address than ${otherwise}` }
}

/** Blink. */
export const blinkKind: BackendKind = {
  name: 'blink',
  title: 'Blink',
  tested: 'fixture',
  receives: blinkInvoiceCapabilities,
  pays: blinkPaymentCapabilities,
  settings: [
    KEY,
    {
      name: 'walletId',
      type: 'text',
      what: "the id of a bitcoin wallet, where it is not the account's first",
    },
    urlOf('https://api.blink.sv/graphql'),
    COMMON.proxy,
    COMMON.network,
  ],
  async openInvoices(values, context) {
    const { blink } = await import('../blink/index.ts')
    return await blink({
      ...(await apart(values, context)),
      ...pickWallet(values['walletId']),
      key: await secretOf(values, 'key'),
    })
  },
  async openWallet(values, context) {
    const { blinkWallet } = await import('../blink/index.ts')
    return await blinkWallet({
      ...(await apart(values, context)),
      ...pickWallet(values['walletId']),
      key: await secretOf(values, 'key'),
    })
  },
}

function pickWallet(walletId: string | undefined): { readonly walletId?: string } {
  return walletId === undefined ? {} : { walletId }
}

/** Strike. */
export const strikeKind: BackendKind = {
  name: 'strike',
  title: 'Strike',
  tested: 'fixture',
  receives: strikeInvoiceCapabilities,
  pays: strikePaymentCapabilities,
  settings: [KEY, urlOf('https://api.strike.me'), COMMON.proxy, COMMON.network],
  async openInvoices(values, context) {
    const { strike } = await import('../strike/index.ts')
    return await strike({ ...(await apart(values, context)), key: await secretOf(values, 'key') })
  },
  async openWallet(values, context) {
    const { strikeWallet } = await import('../strike/index.ts')
    return await strikeWallet({ ...(await apart(values, context)), key: await secretOf(values, 'key') })
  },
}

/** OpenNode. */
export const opennodeKind: BackendKind = {
  name: 'opennode',
  title: 'OpenNode',
  tested: 'fixture',
  receives: opennodeInvoiceCapabilities,
  settings: [KEY, urlOf('https://api.opennode.com'), COMMON.proxy],
  async openInvoices(values, context) {
    const { opennode } = await import('../opennode/index.ts')
    return await opennode({ ...(await apart(values, context)), key: await secretOf(values, 'key') })
  },
}

/** BTCPay Server. */
export const btcpayKind: BackendKind = {
  name: 'btcpay',
  title: 'BTCPay Server',
  tested: 'fixture',
  receives: btcpayInvoiceCapabilities,
  pays: btcpayPaymentCapabilities,
  settings: [
    { name: 'url', type: 'url', required: true, what: 'the address of the server' },
    { name: 'store', type: 'text', required: true, what: 'the id of the store' },
    KEY,
    COMMON.tlsCert,
    COMMON.proxy,
    COMMON.network,
    COMMON.routeHints,
  ],
  async openInvoices(values, context) {
    const { btcpay } = await import('../btcpay/index.ts')
    const store = values['store'] ?? ''
    const routeHints = values['routeHints'] === 'true'
    const key = await secretOf(values, 'key')
    return await btcpay({ ...(await common(values, context)), store, key, routeHints })
  },
  async openWallet(values, context) {
    const { btcpayWallet } = await import('../btcpay/index.ts')
    const store = values['store'] ?? ''
    return await btcpayWallet({
      ...(await common(values, context)),
      store,
      key: await secretOf(values, 'key'),
    })
  },
}

/** LNURL-pay and Lightning addresses. */
export const lnurlKind: BackendKind = {
  name: 'lnurl',
  title: 'LNURL-pay, Lightning addresses',
  tested: 'fixture',
  receives: lnurlInvoiceCapabilities,
  settings: [
    {
      name: 'address',
      type: 'text',
      required: true,
      what: 'a Lightning address such as user@example.com, or an LNURL',
    },
    COMMON.tlsCert,
    COMMON.proxy,
  ],
  async openInvoices(values, context) {
    const { lnurl } = await import('../lnurl/index.ts')
    return await lnurl({ ...(await apart(values, context)), address: values['address'] ?? '' })
  },
}
