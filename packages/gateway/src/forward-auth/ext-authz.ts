/** The messages of Envoy's ext_authz as this gateway reads and writes them; see `proto/ext_authz.proto`. */

import { fileURLToPath } from 'node:url'
import { loadPackageDefinition, type ServiceClientConstructor, type ServiceDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

/** A header line. Of the two values one is there. */
interface HeaderValue {
  readonly key: string
  readonly value: string
  readonly rawValue?: Uint8Array
}

/** May this request go on? What the message leaves out is `null`, empty or 0. */
export interface CheckRequest {
  readonly attributes: {
    readonly source: {
      readonly address: { readonly socketAddress: { readonly address: string } | null } | null
    } | null
    readonly request: {
      readonly http: {
        readonly method: string
        readonly headers: Readonly<Record<string, string>>
        readonly path: string
        readonly host: string
        readonly scheme: string
        /** Decimal text; -1 where it is not known. */
        readonly size: string
        readonly headerMap: { readonly headers: readonly HeaderValue[] } | null
      } | null
    } | null
  } | null
}

/** A line to be set; `append` false says so to every version of Envoy. */
export interface HeaderOption {
  readonly header: { readonly key: string; readonly value: string }
  readonly append: { readonly value: false }
}

/** What Envoy is told. */
export interface CheckResponse {
  /** A status of gRPC: 0, or 7 (PERMISSION_DENIED). */
  readonly status: { readonly code: number }
  readonly deniedResponse?: {
    readonly status: { readonly code: number }
    readonly headers: readonly HeaderOption[]
    readonly body: string
  }
  readonly okResponse?: {
    readonly headers: readonly HeaderOption[]
    readonly headersToRemove: readonly string[]
    readonly responseHeadersToAdd: readonly HeaderOption[]
  }
}

/** The service `envoy.service.auth.v3.Authorization`. */
export function authorizationService(): ServiceDefinition {
  const file = fileURLToPath(new URL('../../proto/ext_authz.proto', import.meta.url))
  const loaded = loadPackageDefinition(
    loadSync(file, { longs: String, defaults: true, arrays: true, objects: true }),
  )
  const found = ['envoy', 'service', 'auth', 'v3'].reduce<unknown>(
    (at, name) => (at as Record<string, unknown>)[name],
    loaded,
  ) as Record<string, ServiceClientConstructor>
  const { Authorization } = found
  if (Authorization === undefined) throw new Error('proto/ext_authz.proto has no service Authorization')
  return Authorization.service
}
