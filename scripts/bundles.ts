/** What an app would bundle of each portable entry, measured as a browser's build does it. */
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

/** What is bundled, and what must not come along. */
export interface Entry {
  readonly name: string
  /** What an app imports: a name, or `*`, and where from. */
  readonly imported: string
  readonly from: string
  readonly budgetGzipKiB: number
  /** Path parts that must not be among the bundle's inputs. */
  readonly without: readonly string[]
  /** Packages that are the user's own, and modules of Node where it needs them. */
  readonly external?: readonly string[]
}

/** Both schemes, copies for each request, and proofs of possession among them. */
const CLIENT_KIB = 44
/** Some 13 of them are the payment page and its QR codes, some 5 sessions and their event streams, some 2 what is Node's own way. */
const SERVER_KIB = 74

/** Each portable entry, with its bound. */
export const entries: Entry[] = [
  {
    name: 'core, all of it',
    imported: '*',
    from: '@turnpike/l402',
    budgetGzipKiB: 36,
    without: ['/server/', '/client/', '/stores/', '/lightning/'],
  },
  {
    name: 'core: read a challenge only',
    imported: 'findL402Challenges',
    from: '@turnpike/l402',
    budgetGzipKiB: 3,
    without: ['/noble/', '@noble/curves', 'bolt11'],
  },
  {
    name: 'server: paywall',
    imported: 'paywall',
    from: '@turnpike/l402/server',
    budgetGzipKiB: SERVER_KIB,
    without: ['/client/', '/stores/sqlite', '/lightning/sandbox'],
  },
  {
    name: 'client: payingFetch',
    imported: 'payingFetch',
    from: '@turnpike/l402/client',
    budgetGzipKiB: CLIENT_KIB,
    without: ['/server/', '/stores/purse-sqlite', '/lightning/sandbox'],
  },
  {
    name: 'WebLN wallet',
    imported: 'weblnWallet',
    from: '@turnpike/l402/lightning/webln',
    budgetGzipKiB: 30,
    without: ['/server/', '/client/', '/stores/', '/lightning/sandbox', '/lightning/lib/files'],
  },
]

// What is before the gate is small, and the client it stands in never comes along.
for (const name of ['undici', 'grpc', 'connect'])
  entries.push({
    name: `client: ${name}`,
    imported: 'payingInterceptor',
    from: `@turnpike/l402/client/${name}`,
    budgetGzipKiB: CLIENT_KIB + 3,
    without: ['/server/', '/stores/purse-', '/lightning/sandbox', '/lightning/lib/files'],
    external: ['@grpc/grpc-js', '@connectrpc/connect'],
  })
for (const [name, maker] of [
  ['indexeddb', 'indexedDbPurse'],
  ['durable-object', 'durableObjectPurse'],
] as const)
  entries.push({
    name: `purse: ${name}`,
    imported: maker,
    from: `@turnpike/l402/purse/${name}`,
    budgetGzipKiB: 14,
    without: ['/server/', '/client/', '/stores/purse-sqlite', '/stores/purse-file', '/lightning/'],
  })
entries.push({
  name: 'MCP: payingTools',
  imported: 'payingTools',
  from: '@turnpike/l402/mcp',
  budgetGzipKiB: CLIENT_KIB + 2,
  without: ['/server/', '/adapters/', '/stores/purse-sqlite', '/lightning/sandbox', '@modelcontextprotocol'],
})
entries.push({
  name: 'MCP: paidTool',
  imported: 'paidTool',
  from: '@turnpike/l402/mcp',
  budgetGzipKiB: SERVER_KIB + 2,
  without: ['/client/', '/stores/sqlite', '/lightning/sandbox', '@modelcontextprotocol'],
})

// Fetch's shape runs anywhere; a framework is the app's own, and never comes along.
for (const name of ['hono', 'fetch', 'next', 'next-proxy', 'trpc'])
  entries.push({
    name: `adapter: ${name}`,
    imported: 'l402',
    from: `@turnpike/l402/${name}`,
    budgetGzipKiB: SERVER_KIB,
    without: ['/client/', '/stores/sqlite', '/lightning/sandbox', 'node_modules/hono', 'node_modules/next'],
  })
for (const name of ['node', 'express', 'nest', 'fastify', 'koa'])
  entries.push({
    name: `adapter: ${name}`,
    imported: 'l402',
    from: `@turnpike/l402/${name}`,
    budgetGzipKiB: SERVER_KIB,
    without: ['/client/', '/stores/sqlite', '/lightning/sandbox', `node_modules/${name}`],
    // An upgrade that is not let through is answered by Node's own ServerResponse.
    external: ['node:http'],
  })

/** What came of an entry. */
export interface Bundle {
  readonly entry: Entry
  readonly minifiedKiB: number
  readonly gzipKiB: number
  /** Why it may not be so; empty where it may. */
  readonly problems: readonly string[]
}

/** Bundles an entry. Rejects where that fails. */
export async function bundle(entry: Entry): Promise<Bundle> {
  const { imported, from, budgetGzipKiB, without, external = [] } = entry
  const names = imported === '*' ? '*' : `{ ${imported} }`
  const result = await build({
    stdin: { contents: `export ${names} from '${from}'`, resolveDir: import.meta.dirname },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['turnpike:source', 'import', 'browser'],
    external: [...external],
    logLevel: 'silent',
  })
  const bytes = result.outputFiles[0]?.contents ?? new Uint8Array()
  const gzipKiB = gzipSync(bytes).length / 1024
  // What is left after tree-shaking, not what was read.
  const inputs = Object.values(result.metafile.outputs).flatMap((output) =>
    Object.entries(output.inputs).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : [])),
  )
  const found = new TextDecoder().decode(bytes).match(/(?<=["'])node:[a-z/]+/g) ?? []
  const nodeModules = found.some((module) => !external.includes(module))
  const bled = inputs.filter((path) => without.some((part) => path.includes(part)))
  const problems = [
    ...(nodeModules ? ['holds a node: import'] : []),
    ...(bled.length > 0 ? [`holds ${bled.join(', ')}`] : []),
    ...(gzipKiB > budgetGzipKiB ? ['is over its budget'] : []),
  ]
  return { entry, minifiedKiB: bytes.length / 1024, gzipKiB, problems }
}
