/** The payment page in the machine's Chromium, before the built gateway, with real payments on the sandbox. */

import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { cleanUp, type Program, pay, start } from '../packages/gateway/test/e2e/program.ts'
import { closeUpstreams, startUpstream, type Upstream } from '../packages/gateway/test/e2e/upstream.ts'

const SHOTS = join(import.meta.dirname, 'screenshots')
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

let upstream: Upstream
let gateway: Program
let browser: Browser
const contexts: BrowserContext[] = []

beforeAll(async () => {
  mkdirSync(SHOTS, { recursive: true })
  upstream = await startUpstream()
  gateway = await start({
    upstream: upstream.origin,
    service: 'page: { title: "The weather archive", brand: "Weather & Co." }',
    routes: [
      '{ match: "/pass/*", price: 10 sat, grants: { valid: 1h } }',
      '{ match: "/calls/*", price: 1500 msat, grants: { calls: 1 } }',
    ],
  })
  browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  })
})
afterEach(async () => {
  for (const context of contexts.splice(0)) await context.close()
})
afterAll(async () => {
  await browser?.close()
  await cleanUp()
  await closeUpstreams()
})

/** A page, and everything it asked for that is not the gateway's or that its own policy stopped. */
async function tab(options: BrowserContextOptions = {}): Promise<{ page: Page; strays: string[] }> {
  const context = await browser.newContext(options)
  contexts.push(context)
  const page = await context.newPage()
  const strays: string[] = []
  page.on('request', (request) => {
    if (!request.url().startsWith(gateway.url)) strays.push(request.url())
  })
  page.on('console', (message) => {
    // A 402 is an error to the console, and so is the icon that nobody sells; nothing else is one.
    const known = message.text().includes('402') || message.location().url.endsWith('/favicon.ico')
    if (message.type() === 'error' && !known) strays.push(message.text())
  })
  page.on('pageerror', (error) => strays.push(error.message))
  return { page, strays }
}

async function invoiceOf(page: Page): Promise<string> {
  return (await page.locator('#invoice').textContent()) ?? ''
}

const settle = async (page: Page): Promise<string> => pay(gateway.admin, await invoiceOf(page))

describe('the payment page', () => {
  it('shows what is sold, and opens the resource by itself when the invoice is paid', async () => {
    const { page, strays } = await tab()
    const answer = await page.goto(`${gateway.url}/pass/oslo?day=1#top`)
    expect(answer?.status()).toBe(402)
    expect((await answer?.body())?.length).toBeLessThan(30 * 1024)
    await expect.poll(() => page.locator('#status').textContent()).toBe('Waiting for the payment.')
    expect(await page.title()).toBe('Payment required: The weather archive')
    expect(await page.locator('dd').allTextContents()).toEqual(['10 sat', 'access for 1 hour'])
    // An element's id must not pass for a wallet.
    expect(await page.getByRole('button').allTextContents()).toEqual(['Copy invoice'])
    expect(await page.locator('a.first').getAttribute('href')).toBe(`lightning:${await invoiceOf(page)}`)
    await page.screenshot({ path: join(SHOTS, 'light.png'), fullPage: true })
    await settle(page)
    await page.waitForURL((url) => url.hash === '')
    await page.getByText('{"ok":true}').waitFor()
    await page.waitForLoadState()
    const cookies = await page.context().cookies()
    expect(cookies).toMatchObject([{ path: '/pass', httpOnly: true, sameSite: 'Lax' }])
    expect(await page.evaluate('document.cookie')).toBe('')
    // What is bought is a pass: it opens the rest of the route, and the upstream never sees it.
    expect((await page.goto(`${gateway.url}/pass/bergen`))?.status()).toBe(200)
    expect(upstream.seen.map(({ headers }) => headers['cookie'])).toEqual([undefined, undefined])
    expect(strays).toEqual([])
  })

  it('counts what is opened, and says that it is used up', async () => {
    const { page } = await tab()
    await page.goto(`${gateway.url}/calls/a`)
    expect(await page.locator('dd').allTextContents()).toEqual(['1.5 sat', '1 request'])
    await settle(page)
    await page.getByText('{"ok":true}').waitFor()
    await page.waitForLoadState()
    expect((await page.goto(`${gateway.url}/calls/a`))?.status()).toBe(402)
    expect(await page.locator('.notice').textContent()).toBe('What you bought is used up.')
  })

  it('shows a way on in the place of an invoice that has expired', async () => {
    const { page } = await tab()
    await page.clock.setFixedTime(Date.now() + 86_400_000)
    await page.goto(`${gateway.url}/pass/late`)
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await page.getByText('This invoice has expired.').waitFor()
    expect(await page.locator('svg').isVisible()).toBe(false)
    await page.screenshot({ path: join(SHOTS, 'expired.png'), fullPage: true })
    await page.getByRole('link', { name: 'Get a new invoice' }).click()
    await page.getByRole('link', { name: 'Open in wallet' }).waitFor()
  })

  it('works without a script: QR code, wallet link, and the link that opens it', async () => {
    const { page } = await tab({ javaScriptEnabled: false })
    await page.goto(`${gateway.url}/pass/plain?a=1`)
    expect(await page.locator('svg').isVisible()).toBe(true)
    expect(await page.locator('#copy').isVisible()).toBe(false)
    await page.screenshot({ path: join(SHOTS, 'no-script.png'), fullPage: true })
    await settle(page)
    await page.getByRole('link', { name: 'I have paid: open' }).click()
    expect(page.url().replace(/#$/, '')).toBe(`${gateway.url}/pass/plain?a=1`)
    expect(await page.locator('main').count()).toBe(0)
  })

  it('takes a preimage in a form without a script', async () => {
    const { page } = await tab({ javaScriptEnabled: false })
    await page.goto(`${gateway.url}/pass/form?a=1`)
    const preimage = await settle(page)
    await page.getByText('I have a preimage').click()
    await page.getByLabel('Preimage', { exact: true }).fill(preimage)
    await page.getByRole('button', { name: 'Open', exact: true }).click()
    expect(page.url()).toBe(`${gateway.url}/pass/form?a=1`)
    expect(await page.locator('main').count()).toBe(0)
  })

  it('pays with a wallet in the browser', async () => {
    const { page } = await tab()
    await page.exposeFunction('payHere', (invoice: string) => pay(gateway.admin, invoice))
    await page.addInitScript(
      'window.webln = { enable: async () => {}, sendPayment: async (i) => ({ preimage: await payHere(i) }) }',
    )
    await page.goto(`${gateway.url}/pass/webln`)
    await page.getByRole('button', { name: 'Pay with browser wallet' }).click()
    await page.getByText('{"ok":true}').waitFor()
    await page.waitForLoadState()
  })

  it('is worked with the keyboard alone', async () => {
    const { page } = await tab({ permissions: ['clipboard-read', 'clipboard-write'] })
    await page.goto(`${gateway.url}/pass/keys`)
    const focused = async (): Promise<string> => {
      await page.keyboard.press('Tab')
      return page.evaluate('document.activeElement.textContent.trim() || document.activeElement.id')
    }
    expect(await focused()).toBe('Open in wallet')
    expect(await focused()).toBe('Copy invoice')
    await page.keyboard.press('Enter')
    await expect.poll(() => page.locator('#status').textContent()).toBe('Invoice copied.')
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(await invoiceOf(page))
    expect(await focused()).toBe('Lightning invoice')
    expect(await focused()).toBe('I have a preimage')
    await page.keyboard.press('Enter')
    expect(await focused()).toBe('preimage')
    await page.keyboard.type('0'.repeat(64))
    await page.keyboard.press('Enter')
    await expect
      .poll(() => page.locator('#status').textContent())
      .toBe('This preimage does not belong to this invoice.')
  })

  it.each(['light', 'dark'] as const)('has no fault that axe finds: %s', async (colorScheme) => {
    const { page } = await tab({ colorScheme, viewport: { width: 360, height: 740 } })
    await page.goto(`${gateway.url}/pass/axe`)
    for (const summary of await page.locator('summary').all()) await summary.click()
    await page.screenshot({ path: join(SHOTS, `${colorScheme}-narrow.png`), fullPage: true })
    // Run by the debugger, which the page's policy does not stop.
    await page.evaluate(AXE)
    const violations = await page.evaluate(
      'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes.map((n) => n.html)]))',
    )
    expect(violations).toEqual([])
    const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
    expect(overflow).toBe(0)
  })

  it('tells a screen reader what there is, and its state as it changes', async () => {
    const { page } = await tab()
    await page.goto(`${gateway.url}/pass/tree`)
    await expect.poll(() => page.getByRole('status').textContent()).toBe('Waiting for the payment.')
    const tree = await page.locator('main').ariaSnapshot()
    for (const line of [
      'heading "Payment required" [level=1]',
      'img "QR code of the Lightning invoice"',
      'link "Open in wallet"',
      'button "Copy invoice"',
      'status: Waiting for the payment.',
    ])
      expect(tree).toContain(line)
  })
})
