// The suite in a browser, and purchases of its own: real sockets, sandbox Lightning paid through WebLN, two tabs.
import { createServer } from 'node:http'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { decodeInvoice, encodeHex } from '@turnpike/l402'
import { sandboxLightning } from '@turnpike/l402/lightning/sandbox'
import { l402 } from '@turnpike/l402/node'
import { memoryStore } from '@turnpike/l402/store/memory'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'
import { findChromium } from '../../e2e/chromium.mjs'

const here = dirname(fileURLToPath(import.meta.url))

/** Answers `{ version, report }` or `{ skip }`. */
export async function runInChromium(vectors) {
  const executablePath = findChromium()
  if (executablePath === undefined) return { skip: 'there is none on PATH; CHROMIUM=/path/to/it names one' }
  const lightning = await sandboxLightning()
  const server = await openShop(lightning)
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  try {
    const context = await browser.newContext()
    const origin = `http://127.0.0.1:${server.address().port}`
    const tabs = await Promise.all([1, 2].map(() => context.newPage()))
    await Promise.all(tabs.map((tab) => tab.goto(origin)))
    const [first] = tabs
    const report = await first.evaluate((all) => globalThis.suite(all), vectors)
    const problems = await purchases(tabs, lightning)
    report.failures.push(...problems)
    if (problems.length === 0) report.passed++
    return { version: browser.version(), report }
  } finally {
    await browser.close()
    server.closeAllConnections()
    server.close()
    await lightning.close()
  }
}

/** Tabs of one origin are one buyer; what they bought outlives them. Answers what was wrong. */
async function purchases(tabs, lightning) {
  const problems = []
  const equal = (got, expected, what) => {
    if (got !== expected) problems.push(`in tabs, ${what}: expected ${expected}, got ${got}`)
  }
  const buy = (tab, path, init) => tab.evaluate(([path, init]) => globalThis.buy(path, init), [path, init])
  const spent = async () => (await lightning.sellerBalanceMsat()).toString()
  const [first, second] = tabs
  const answers = await Promise.all([first, second, first, second].map((tab) => buy(tab, '/pass')))
  equal(answers.join(), Array(4).fill('200 served ').join(), 'four at once')
  equal(await spent(), '10000', 'spent for one pass')
  await Promise.all(tabs.map((tab) => tab.reload()))
  equal(await buy(second, '/pass'), '200 served ', 'after a reload')
  equal(await spent(), '10000', 'spent after a reload')
  equal(await buy(first, '/calls', { method: 'POST', body: 'hi' }), '200 served hi', 'a call with a body')
  equal(await spent(), '30000', 'spent at last')
  return problems
}

/** The page, a pass, single calls, and somebody who pays invoices. */
async function openShop(lightning) {
  const bundle = await build({
    entryPoints: [join(here, 'page.mjs')],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    conditions: ['browser', 'import'],
    logLevel: 'silent',
  })
  const toll = l402({
    lightning,
    store: memoryStore(),
    keys: [{ id: 'first', masterKey: crypto.getRandomValues(new Uint8Array(32)), active: true }],
    services: { shop: {} },
    page: false,
  })
  const bodyOf = async (request) => {
    let text = ''
    for await (const chunk of request) text += chunk
    return text
  }
  const serve = async (request, response) => response.end(`served ${await bodyOf(request)}`)
  const routes = {
    '/': async (_, response) =>
      response.setHeader('content-type', 'text/html').end('<script type="module" src="/page.js"></script>'),
    '/page.js': async (_, response) =>
      response.setHeader('content-type', 'text/javascript').end(bundle.outputFiles[0].text),
    '/pass': toll({ name: 'GET /pass', price: '10 sat', grants: { valid: '1h' } }, serve),
    '/calls': toll({ name: 'POST /calls', price: '20 sat' }, serve),
    async '/pay'(request, response) {
      const invoice = await bodyOf(request)
      const { paymentHash, amountMsat } = decodeInvoice(invoice)
      const order = { invoice, paymentHash, amountMsat, maxFeeMsat: 0n, timeoutMs: 10_000 }
      const { preimage } = await lightning.pay(order)
      response.end(JSON.stringify({ preimage: encodeHex(preimage) }))
    },
  }
  const server = createServer((request, response) => {
    const route = routes[request.url] ?? (async () => response.writeHead(404).end())
    route(request, response).catch(() => response.destroy())
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}
