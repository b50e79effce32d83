/** `forwardAuth`: where other proxies ask whether a request may go on. */

import { z } from 'zod'
import type { ListenAddress } from './config.ts'
import { section } from './section.ts'
import { cidr, listenAddress } from './values.ts'

/** Where other proxies ask. */
export interface ForwardAuthConfig {
  readonly listen: ListenAddress
  readonly envoy: ListenAddress | undefined
  /** CIDR blocks of the proxies; nobody else is answered. */
  readonly trusted: readonly string[]
}

export const forwardAuthSchema = section('{ listen: 127.0.0.1:8404 }', {
  listen: listenAddress
    .optional()
    .describe(
      'Where nginx, Caddy and Traefik ask over HTTP (GET /auth), as host:port; 127.0.0.1:8404 if left out. Never a public address.',
    ),
  envoy: listenAddress
    .optional()
    .describe('Where Envoy asks over gRPC (ext_authz), as host:port; nowhere if left out.'),
  trusted: z
    .array(cidr, { error: () => 'a list of address blocks' })
    .min(1, { error: () => 'at least one address block' })
    .optional()
    .describe(
      'Blocks of the proxies that may ask; what they say of clients is believed. Default: this machine.',
    ),
})

const THIS_MACHINE: readonly string[] = ['127.0.0.0/8', '::1/128']

/** With its defaults. */
export function readForwardAuth(
  data: z.infer<typeof forwardAuthSchema> | undefined,
): ForwardAuthConfig | undefined {
  if (data === undefined) return undefined
  const { listen = { host: '127.0.0.1', port: 8404 }, envoy, trusted = THIS_MACHINE } = data
  return { listen, envoy, trusted }
}
