/** The kinds that are reached by an address and a secret. */

import { clnInvoiceCapabilities, clnPaymentCapabilities } from '../cln/capabilities.ts'
import { eclairInvoiceCapabilities, eclairPaymentCapabilities } from '../eclair/capabilities.ts'
import { lnbitsInvoiceCapabilities, lnbitsPaymentCapabilities } from '../lnbits/capabilities.ts'
import { phoenixdInvoiceCapabilities, phoenixdPaymentCapabilities } from '../phoenixd/capabilities.ts'
import { type BackendKind, COMMON, common, secretOf } from './settings.ts'

/** Core Lightning, by its clnrest plugin. */
export const clnKind: BackendKind = {
  name: 'cln',
  title: 'Core Lightning',
  tested: 'fixture',
  receives: clnInvoiceCapabilities,
  pays: clnPaymentCapabilities,
  settings: [
    { name: 'url', type: 'url', required: true, what: 'its clnrest address such as https://127.0.0.1:3010' },
    { name: 'rune', type: 'secret', required: true, what: 'the file of a rune' },
    COMMON.tlsCert,
    COMMON.proxy,
    COMMON.network,
    COMMON.routeHints,
  ],
  async openInvoices(values, context) {
    const { cln } = await import('../cln/index.ts')
    const { routeHints } = values
    return await cln({
      ...(await common(values, context)),
      ...(routeHints === undefined ? {} : { routeHints: routeHints === 'true' }),
      rune: await secretOf(values, 'rune'),
    })
  },
  async openWallet(values, context) {
    const { clnWallet } = await import('../cln/index.ts')
    return await clnWallet({ ...(await common(values, context)), rune: await secretOf(values, 'rune') })
  },
}

/** Eclair. */
export const eclairKind: BackendKind = {
  name: 'eclair',
  title: 'Eclair',
  tested: 'fixture',
  receives: eclairInvoiceCapabilities,
  pays: eclairPaymentCapabilities,
  settings: [
    { name: 'url', type: 'url', required: true, what: 'its API such as http://127.0.0.1:8080' },
    { name: 'password', type: 'secret', required: true, what: 'the file of eclair.api.password' },
    COMMON.tlsCert,
    COMMON.proxy,
    COMMON.network,
    {
      ...COMMON.routeHints,
      type: 'text',
      what: 'ids of private channels that invoices give hints for (64 hex digits each), commas between them',
    },
  ],
  async openInvoices(values, context) {
    const { eclair } = await import('../eclair/index.ts')
    const routeHints = values['routeHints']?.split(',').map((id) => id.trim())
    return await eclair({
      ...(await common(values, context)),
      ...(routeHints === undefined ? {} : { routeHints }),
      password: await secretOf(values, 'password'),
    })
  },
  async openWallet(values, context) {
    const { eclairWallet } = await import('../eclair/index.ts')
    const password = await secretOf(values, 'password')
    return await eclairWallet({ ...(await common(values, context)), password })
  },
}

/** phoenixd. */
export const phoenixdKind: BackendKind = {
  name: 'phoenixd',
  title: 'phoenixd',
  tested: 'fixture',
  receives: phoenixdInvoiceCapabilities,
  pays: phoenixdPaymentCapabilities,
  settings: [
    { name: 'url', type: 'url', required: true, what: 'its address such as http://127.0.0.1:9740' },
    { name: 'password', type: 'secret', required: true, what: 'the file of a password of phoenix.conf' },
    COMMON.tlsCert,
    COMMON.proxy,
    COMMON.network,
  ],
  async openInvoices(values, context) {
    const { phoenixd } = await import('../phoenixd/index.ts')
    return await phoenixd({
      ...(await common(values, context)),
      password: await secretOf(values, 'password'),
    })
  },
  async openWallet(values, context) {
    const { phoenixdWallet } = await import('../phoenixd/index.ts')
    const password = await secretOf(values, 'password')
    return await phoenixdWallet({ ...(await common(values, context)), password })
  },
}

/** LNbits. */
export const lnbitsKind: BackendKind = {
  name: 'lnbits',
  title: 'LNbits',
  tested: 'real',
  receives: lnbitsInvoiceCapabilities,
  pays: lnbitsPaymentCapabilities,
  settings: [
    { name: 'url', type: 'url', required: true, what: 'the address of the server' },
    { name: 'key', type: 'secret', required: true, what: "the file of a wallet's invoice or admin key" },
    COMMON.tlsCert,
    COMMON.proxy,
    COMMON.network,
  ],
  async openInvoices(values, context) {
    const { lnbits } = await import('../lnbits/index.ts')
    return await lnbits({ ...(await common(values, context)), key: await secretOf(values, 'key') })
  },
  async openWallet(values, context) {
    const { lnbitsWallet } = await import('../lnbits/index.ts')
    return await lnbitsWallet({ ...(await common(values, context)), key: await secretOf(values, 'key') })
  },
}
