/** Proxies of the environment, as curl reads them. */

import { UsageError } from '../cli/usage-error.ts'

/** Where requests go through. */
export interface Proxies {
  readonly http: string | undefined
  readonly https: string | undefined
  /** What is reached without a proxy: the text of `NO_PROXY`. */
  readonly none: string
}

/** A proxy that cannot be used. The message names the variable, never its value, which may hold a password. */
class ProxyError extends UsageError {}

/**
 * The proxies set, if any. Small letters win over capitals. `ALL_PROXY` stands in for both.
 *
 * @throws ProxyError for one that is not an http or https URL.
 */
export function proxiesOf(env: Readonly<Record<string, string | undefined>>): Proxies | undefined {
  const read = (name: string): { name: string; value: string } | undefined => {
    for (const spelling of [name.toLowerCase(), name.toUpperCase()]) {
      const value = env[spelling]
      if (value) return { name: spelling, value }
    }
    return undefined
  }
  const every = read('all_proxy')
  const http = urlOf(read('http_proxy') ?? every)
  const https = urlOf(read('https_proxy') ?? every)
  if (http === undefined && https === undefined) return undefined
  return { http, https, none: read('no_proxy')?.value ?? '' }
}

function urlOf(setting: { name: string; value: string } | undefined): string | undefined {
  if (setting === undefined) return undefined
  const text = setting.value.includes('://') ? setting.value : `http://${setting.value}`
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new ProxyError(`${setting.name}: expected an http or https URL such as http://127.0.0.1:3128`)
  return text
}
