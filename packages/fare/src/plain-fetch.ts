import { directFetch } from './net/direct-fetch.ts'
import { headerList } from './net/header-list.ts'
import { proxiesOf } from './net/proxies.ts'
import type { FetchSettings, PlainFetch } from './net/settings.ts'

export type { FetchSettings, PlainFetch } from './net/settings.ts'

/**
 * Makes a {@link PlainFetch}. Its time-outs are about stages that stand still, never about all of an answer, which would
 * cut long downloads; `--max-time` is the user's. None of them knows of payments, so none can cut one.
 *
 * @throws ProxyError for a proxy in `env` that cannot be used, RangeError for an address that is none.
 */
export function plainFetch(settings: FetchSettings): PlainFetch {
  const { compressed, publicOnly = false, http2 = false } = settings
  const proxies = publicOnly ? undefined : proxiesOf(settings.env ?? {})
  let opened: Promise<PlainFetch> | undefined
  const open = async (): Promise<PlainFetch> => {
    const guard = publicOnly
      ? (await import('./net/ssrf-guard.ts')).addressGuard({ allow: settings.allowAddresses ?? [] })
      : undefined
    if (!http2 && proxies === undefined) return directFetch(settings, guard)
    const { undiciFetch } = await import('./net/undici-fetch.ts')
    return undiciFetch(settings, { guard, proxies })
  }
  const fetch = async (url: string, init: RequestInit): Promise<Response> => {
    opened ??= open()
    const made = await opened
    if (!compressed) return await made.fetch(url, init)
    const headers = headerList(init.headers)
    if (!headers.has('accept-encoding')) headers.set('accept-encoding', 'gzip, deflate, br')
    const response = await made.fetch(url, { ...init, headers })
    return (await import('./net/decoded.ts')).decoded(response, settings.unpackBounds)
  }
  return {
    fetch: fetch as typeof globalThis.fetch,
    close: async () => {
      await (await opened)?.close()
    },
  }
}
