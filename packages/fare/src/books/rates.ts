/** What a bitcoin costs now, asked for while a payment is made. Loaded where the configuration names a source. */

import { execFile } from 'node:child_process'
import { RATE_PRESETS, type RateSource, rateBook } from '@turnpike/l402/server'
import { plainFetch } from '../plain-fetch.ts'
import type { FiatRate } from './fiat.ts'
import type { RatesConfig } from './rate-config.ts'

/** Books are kept, purchases are not held up: a source has this long. */
const TIMEOUT_MS = 4_000
/** Purchases of one run may share a rate for so long. */
const MAX_AGE_MS = 60_000
const MOST_BYTES = 65_536

/** Asks for rates. */
export interface Rates {
  /** The rate now; `undefined` where the source gives none in time. Never rejects. */
  now(): Promise<FiatRate | undefined>
  close(): Promise<void>
}

/** Makes it; nothing is asked before the first payment. */
export function openRates(config: RatesConfig, env: NodeJS.ProcessEnv): Rates {
  const { currency, exec } = config
  const web = plainFetch({ insecure: false, env })
  const book = rateBook({
    sources: [sourceOf(config)],
    currencies: [currency],
    refreshMs: MAX_AGE_MS,
    maxAgeMs: MAX_AGE_MS,
    timeoutMs: TIMEOUT_MS,
    fetchJson: (url, signal) =>
      exec === undefined ? askWeb(web.fetch, url, signal) : askProgram(exec, signal),
  })
  return {
    async now() {
      if (book.rateOf(currency) === undefined) await book.refresh()
      const rate = book.rateOf(currency)
      return rate && { currency, perBtc: rate.perBtc, readAtMs: rate.readAt }
    },
    async close() {
      book.close()
      await web.close()
    },
  }
}

function sourceOf({ source, field, exec }: RatesConfig): RateSource {
  if (exec !== undefined) return { url: 'file:///program', field: 'rate' }
  return RATE_PRESETS.get(source ?? '') ?? { url: source ?? '', field: field ?? '' }
}

async function askWeb(fetch: typeof globalThis.fetch, url: string, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(url, { headers: { accept: 'application/json', 'user-agent': 'fare' }, signal })
  if (response.status !== 200) throw new Error(`answered ${response.status}, expected 200`)
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of response.body ?? []) {
    length += part.length
    if (length > MOST_BYTES) throw new Error(`answered more than ${MOST_BYTES} bytes`)
    parts.push(part)
  }
  return JSON.parse(Buffer.concat(parts).toString('utf8'))
}

/** A program that writes a number, such as `64123.45`. It sees none of this process's environment. */
function askProgram(file: string, signal: AbortSignal): Promise<unknown> {
  const { PATH = '', HOME = '' } = process.env
  return new Promise((resolve, reject) => {
    execFile(
      file,
      { signal, env: { PATH, HOME }, maxBuffer: MOST_BYTES, killSignal: 'SIGKILL' },
      (error, out) => (error ? reject(error) : resolve({ rate: out.trim() })),
    )
      .stdin?.on('error', () => {})
      .end()
  })
}
