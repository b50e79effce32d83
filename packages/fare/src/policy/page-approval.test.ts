import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { PURCHASE } from '../../test/support/purchase.ts'
import { pageApproval } from './page-approval.ts'

const folder = mkdtempSync(join(tmpdir(), 'page-approval-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Shown {
  readonly url: string
  readonly file: string
  readonly decided: Promise<'approved' | 'denied'>
}

/** Has the page opened as a browser would: by the file that leads to it. */
function show(signal = new AbortController().signal): Promise<Shown> {
  return new Promise((resolve) => {
    const open = (file: string): void => {
      const url = /url=([^"]+)"/.exec(readFileSync(file, 'utf8'))?.[1] ?? ''
      queueMicrotask(() => resolve({ url, file, decided }))
    }
    const decided = pageApproval({ folder, open })(PURCHASE, { signal })
  })
}

const form = (decision: string, headers: Record<string, string> = {}): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
  body: `decision=${decision}`,
})

/** The status of a request under another `Host`, which `fetch` does not allow. */
function statusUnder(host: string, url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers: { host } }, (response) => resolve(response.resume().statusCode))
    asked.once('error', reject).end()
  })
}

describe('the approval page', () => {
  it('shows the purchase, harmlessly, and approves by its button', async () => {
    const { url, file, decided } = await show()
    expect(new URL(url).hostname).toBe('127.0.0.1')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    // The file's name stands on a command line: nothing of the token in the address is in it.
    const token = new URL(url).pathname.slice(1)
    const parts = Array.from({ length: token.length - 4 }, (_, at) => token.slice(at, at + 5))
    expect(parts.filter((part) => file.includes(part))).toEqual([])
    const response = await fetch(url)
    const html = await response.text()
    for (const text of [
      'GET https://api.example.com/forecast',
      '10 sat',
      '02'.repeat(33),
      'nightly',
      '1 sat last time',
    ])
      expect(html).toContain(text)
    expect(html).not.toContain('<script>')
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(await (await fetch(url, form('approve'))).text()).toContain('Approved')
    expect(await decided).toBe('approved')
    expect(readdirSync(folder)).toEqual([])
    await expect(fetch(url)).rejects.toThrow()
  })

  it.each(['deny', 'approved', ''])('denies by the decision "%s"', async (decision) => {
    const { url, decided } = await show()
    expect(await (await fetch(url, form(decision))).text()).toContain('Denied')
    expect(await decided).toBe('denied')
  })

  it('is there for nobody without its token, under another name or from another page', async () => {
    const over = new AbortController()
    const { url, decided } = await show(over.signal)
    const { origin, port } = new URL(url)
    expect((await fetch(origin)).status).toBe(404)
    expect((await fetch(`${url.slice(0, -1)}x`, form('approve'))).status).toBe(404)
    expect(await statusUnder(`attacker.example:${port}`, url)).toBe(404)
    expect((await fetch(url, form('approve', { origin: 'https://attacker.example' }))).status).toBe(405)
    over.abort()
    expect(await decided).toBe('denied')
    expect(readdirSync(folder)).toEqual([])
  })
})
