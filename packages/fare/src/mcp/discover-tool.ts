/** `discover`: what an origin says that it sells. All of it is the seller's word. */

import type { McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { causeText } from '../cli/text.ts'
import { type Listed, listedIn, operationsIn } from './catalogues.ts'
import type { Desk } from './desk.ts'
import { answer, shown } from './results.ts'
import { DISCOVER_RESULT } from './shapes.ts'
import { markUntrusted, UNTRUSTED_NOTE } from './untrusted.ts'

const TIMEOUT_MS = 10_000
const MOST_BYTES = 512 * 1024
const MOST_SERVICES = 60
const MOST_TEXT = 6_000

const DOCUMENTS = ['/.well-known/l402-services', '/openapi.json', '/llms.txt'] as const

/** Registers `discover`. */
export function registerDiscover(server: McpServer, { web }: Desk): void {
  server.registerTool(
    'discover',
    {
      title: 'What a server sells',
      description:
        'Reads what an origin publishes about its prices: /.well-known/l402-services, /openapi.json, /llms.txt. Pays nothing. Prices there do not bind: ask with quote.',
      inputSchema: z.object({ url: z.string().max(8192).describe('Any URL of the origin.') }),
      outputSchema: DISCOVER_RESULT,
      annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
    },
    async ({ url }, ctx) => {
      const parsed = URL.canParse(url) ? new URL(url) : undefined
      if (parsed === undefined || !/^https?:$/.test(parsed.protocol))
        return failure('url: expected an http:// or https:// URL')
      const { origin } = parsed
      const signal = AbortSignal.any([ctx.mcpReq.signal, AbortSignal.timeout(TIMEOUT_MS)])
      const read = await Promise.all(DOCUMENTS.map((path) => document(web.fetch, origin + path, signal)))
      // Nothing there is an answer; a server that cannot be reached is none.
      const [first] = read
      if (first !== undefined && read.every(({ fault }) => fault !== null))
        return failure(shown(first.fault ?? '', 600))
      const [listing, api, llms] = read.map(({ text }) => text)
      const services = merged([...listedIn(listing ?? null, origin), ...operationsIn(api ?? null, origin)])
      const llmsText = llms ? shownLines(llms) : null
      const data = {
        origin,
        untrusted: true,
        note: UNTRUSTED_NOTE,
        found: DOCUMENTS.filter((_, i) => read[i]?.text !== null),
        absent: DOCUMENTS.filter((_, i) => read[i]?.text === null),
        services: services.slice(0, MOST_SERVICES),
        more: Math.max(0, services.length - MOST_SERVICES),
        llmsText,
      }
      const lines = data.services.map(({ method, url: at, price, description }) =>
        [`${method} ${at}`, price ?? 'price not stated', description ?? ''].join(' · '),
      )
      const told = [...lines, ...(llmsText === null ? [] : ['', llmsText])].join('\n')
      const text = told === '' ? `${origin} publishes nothing about prices.` : markUntrusted(told, origin)
      return answer(data, { text })
    },
  )
}

function failure(message: string) {
  return { content: [{ type: 'text' as const, text: message }], isError: true }
}

interface Document {
  /** `null` where it is not there. */
  readonly text: string | null
  /** Why nothing was answered at all. */
  readonly fault: string | null
}

/** Redirects are not followed: another place speaks for another origin. */
async function document(fetch: typeof globalThis.fetch, url: string, signal: AbortSignal): Promise<Document> {
  try {
    const headers = { accept: 'application/json, text/plain, */*;q=0.1', 'user-agent': 'fare' }
    const response = await fetch(url, { headers, signal, redirect: 'manual' })
    if (response.status !== 200) {
      await response.body?.cancel().catch(() => {})
      return { text: null, fault: null }
    }
    return { text: await limited(response), fault: null }
  } catch (error) {
    return { text: null, fault: causeText(error) }
  }
}

async function limited(response: Response): Promise<string | null> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    // A document without an end is none. Leaving the loop ends the connection.
    if (bytes > MOST_BYTES) return null
    chunks.push(chunk)
  }
  return new TextDecoder().decode(Buffer.concat(chunks))
}

/** Each method and URL once; the first that names a price wins. */
function merged(all: readonly Listed[]): Listed[] {
  const found = new Map<string, Listed>()
  for (const one of all) {
    const key = `${one.method} ${one.url}`
    const before = found.get(key)
    if (before === undefined) found.set(key, one)
    else
      found.set(key, {
        ...before,
        price: before.price ?? one.price,
        description: before.description ?? one.description,
      })
  }
  return [...found.values()]
}

function shownLines(text: string): string {
  const lines = text.slice(0, MOST_TEXT).split(/\r?\n/)
  return lines.map((line) => shown(line, 500)).join('\n')
}
