/** `listen`: where buyers come in, and whether over TLS. */

import type { ListenAddress } from './config.ts'
import { describeFaults } from './faults.ts'
import type { ConfigIssue } from './issue.ts'
import { section } from './section.ts'
import { flag, listenAddress } from './values.ts'
import type { YamlSource } from './yaml-source.ts'

export const listenSchema = section('host:port, or a table such as { address: 0.0.0.0:443, tls: true }', {
  address: listenAddress.describe('Where to listen, as host:port; port 0 is any free one.'),
  tls: flag
    .optional()
    .describe('Whether this address speaks TLS; left out, it does where there is a top-level "tls".'),
  proxyProtocol: flag
    .optional()
    .describe(
      'Every connection begins with a PROXY protocol header (v1 or v2), from "trustedProxies" only. Default false.',
    ),
})

/** All public addresses; 127.0.0.1:8402 where none is given. Pushes what is wrong. */
export function readListen(source: YamlSource, issues: ConfigIssue[]): ListenAddress[] {
  const value = source.get(['listen'])
  const hasTls = source.get(['tls']) !== undefined
  if (value === undefined) return [{ host: '127.0.0.1', port: 8402, ...(hasTls ? { tls: true } : {}) }]
  return (Array.isArray(value) ? value : [value]).flatMap((entry: unknown, index) => {
    const path = ['listen', index]
    const table = typeof entry === 'object' && entry !== null && !Array.isArray(entry)
    const parsed = table ? listenSchema.safeParse(entry) : listenAddress.safeParse(entry)
    if (!parsed.success) {
      issues.push(...describeFaults(source, path, parsed.error))
      return []
    }
    const {
      address,
      tls = hasTls,
      proxyProtocol = false,
    } = 'address' in parsed.data ? parsed.data : { address: parsed.data }
    if (tls && !hasTls) {
      const message = `listen[${index}].tls: there is no certificate, expected a top-level "tls: { certFile, keyFile }"`
      issues.push({ position: source.locate([...path, 'tls']), message })
    }
    return [{ ...address, ...(tls ? { tls: true } : {}), ...(proxyProtocol ? { proxyProtocol } : {}) }]
  })
}
