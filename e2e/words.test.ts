/** The payment page with other words: long, huge, from right to left, hostile; looked at in the machine's Chromium. */

import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { cleanUp, type Program, start } from '../packages/gateway/test/e2e/program.ts'

const SHOTS = join(import.meta.dirname, 'screenshots')
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const LONG = `${'The archive of all forecasts '.repeat(5)}${'Donaudampfschiff'.repeat(3)}`

let browser: Browser
const gateways: Record<string, Program> = {}

beforeAll(async () => {
  mkdirSync(SHOTS, { recursive: true })
  browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  })
  const paid = '{ match: "/paid/*", price: 12345678 sat, grants: { calls: 1000000 } }'
  gateways['long'] = await start({
    service: `page: { title: ${JSON.stringify(LONG)}, brand: ${JSON.stringify('W'.repeat(120))} }`,
    routes: [paid],
  })
  gateways['arabic'] = await start({
    top: 'page: { language: ar, text: { heading: "الدفع مطلوب", intro: "{title} يتطلب دفعة صغيرة عبر لايتنينغ.", price: "السعر", buys: "يشتري", calls: "{count} طلب", openWallet: "افتح في المحفظة", copy: "انسخ الفاتورة", waiting: "في انتظار الدفع." } }',
    service: 'page: { title: "أرشيف الطقس (v2)", brand: "Weather & Co." }',
    routes: [paid],
  })
  gateways['hostile'] = await start({
    top: 'page: { language: de, text: { price: "<b onclick=alert(1)>Preis", openWallet: "\\" onmouseover=\\"alert(1)" } }',
    service: String.raw`page: { title: "</title><script>alert(1)</script>{price}{title}", brand: "\"><img src=x onerror=alert(1)>\u202e" }`,
    routes: [paid],
  })
})
afterAll(async () => {
  await browser?.close()
  await cleanUp()
})

async function open(name: string): Promise<{ page: Page; alerts: string[] }> {
  const page = await browser.newPage({ viewport: { width: 320, height: 640 } })
  const alerts: string[] = []
  page.on('dialog', (dialog) => {
    alerts.push(dialog.message())
    void dialog.dismiss()
  })
  await page.goto(`${gateways[name]?.url}/paid/x`)
  await page.locator('#status').filter({ hasText: /./ }).waitFor()
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true })
  return { page, alerts }
}

describe('the payment page', () => {
  it.each(['long', 'arabic', 'hostile'])(
    'holds what it is given, and nothing breaks out: %s',
    async (name) => {
      const { page, alerts } = await open(name)
      await page.evaluate(AXE)
      const violations = await page.evaluate(
        'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, nodes.map((n) => n.html)]))',
      )
      expect(violations).toEqual([])
      expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBe(0)
      expect(await page.locator('main script, main img, [onclick], [onmouseover]').count()).toBe(0)
      expect(alerts).toEqual([])
      await page.close()
    },
  )
})
