import { randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Approve, ProposedPurchase } from '@turnpike/l402/client'
import { describePurchase } from './describe-purchase.ts'

/** How the page gets in front of a person. */
export interface PageApprovalOptions {
  /** Private folder (0700) for the file that leads to the page. */
  readonly folder: string
  /**
   * Opens that file in a browser. The page's address, with its one-time token, stands in the file alone (0600): it is
   * written to no stream and no command line, where a program that asked for the purchase could read it.
   */
  readonly open: (file: string) => void
}

const MOST_BODY = 1_024
const HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'x-content-type-options': 'nosniff',
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
}

/** Shows the purchase on a page of this machine, with two buttons; it is gone after one answer or the deadline. */
export function pageApproval({ folder, open }: PageApprovalOptions): Approve {
  return async (purchase, { signal }) => {
    const token = randomBytes(32).toString('base64url')
    // A name of its own: it goes to a command line, where nothing of the token may stand (rule C10).
    const file = join(folder, `approve-${randomUUID()}.html`)
    let answer: (decision: 'approved' | 'denied') => void = () => {}
    const answered = new Promise<'approved' | 'denied'>((resolve) => {
      answer = resolve
    })
    const server = createServer((request, response) => {
      void serve({ request, response, token, purchase, answer })
    })
    signal.addEventListener('abort', () => answer('denied'), { once: true })
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(0, '127.0.0.1', resolve)
      })
      const { port } = server.address() as AddressInfo
      writeFileSync(file, leadTo(`http://127.0.0.1:${port}/${token}`), { mode: 0o600, flag: 'wx' })
      open(file)
      return signal.aborted ? 'denied' : await answered
    } finally {
      rmSync(file, { force: true })
      server.close()
      server.closeIdleConnections()
    }
  }
}

interface Visit {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly token: string
  readonly purchase: ProposedPurchase
  readonly answer: (decision: 'approved' | 'denied') => void
}

async function serve({ request, response, token, purchase, answer }: Visit): Promise<void> {
  const port = request.socket.localPort
  const own = `127.0.0.1:${port}`
  const refuse = (status: number): void => {
    response.writeHead(status, { ...HEADERS, connection: 'close' }).end('not here\n')
  }
  // Another page of the browser must not reach it by another name (DNS rebinding), nor without the token.
  if (request.headers.host !== own || !sameText(request.url?.slice(1) ?? '', token)) return refuse(404)
  if (request.method === 'GET') {
    response.writeHead(200, { ...HEADERS, connection: 'close' }).end(page(purchase))
    return
  }
  const { origin } = request.headers
  // A form of a page with no-referrer sends the origin "null" in some browsers.
  if (request.method !== 'POST' || (origin !== undefined && origin !== 'null' && origin !== `http://${own}`))
    return refuse(405)
  const decision = new URLSearchParams(await shortBody(request)).get('decision')
  const approved = decision === 'approve'
  const said = approved ? 'Approved. You can close this page.' : 'Denied. Nothing is paid.'
  response.writeHead(200, { ...HEADERS, connection: 'close' }).end(frame(`<p>${said}</p>`))
  answer(approved ? 'approved' : 'denied')
}

function sameText(a: string, b: string): boolean {
  const [one, other] = [Buffer.from(a), Buffer.from(b)]
  return one.length === other.length && timingSafeEqual(one, other)
}

async function shortBody(request: IncomingMessage): Promise<string> {
  let text = ''
  try {
    for await (const chunk of request) {
      text += String(chunk)
      if (text.length > MOST_BODY) return ''
    }
  } catch {
    return ''
  }
  return text
}

function leadTo(url: string): string {
  return `<!doctype html><meta http-equiv="refresh" content="0;url=${url}"><a href="${url}">fare asks for approval</a>\n`
}

function page(purchase: ProposedPurchase): string {
  const rows = describePurchase(purchase)
    .map(([name, text]) => `<tr><th>${name}</th><td>${escaped(text)}</td></tr>`)
    .join('')
  return frame(
    `<h1>Pay for this?</h1><table>${rows}</table><form method="post"><button name="decision" value="approve">Approve</button> <button name="decision" value="deny" autofocus>Deny</button></form>`,
  )
}

function frame(body: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>fare: approval</title><style>body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem}th{text-align:left;vertical-align:top;padding-right:1rem}td{overflow-wrap:anywhere}button{font:inherit;padding:.5rem 1.25rem;margin-top:1rem}</style><main>${body}</main></html>\n`
}

function escaped(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  }
  return text.replaceAll(/[&<>"']/g, (one) => entities[one] ?? one)
}
