/**
 * Bundles each portable entry as a browser would and checks what came along: no `node:` module, nothing of a layer that
 * must not be there ("bleed"), and no more bytes than the budget.
 */
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

interface Entry {
  readonly name: string
  readonly code: string
  readonly budgetGzipKiB: number
  /** Path parts that must not be among the bundle's inputs. */
  readonly without: readonly string[]
  /** Packages that are the user's own, and modules of Node where it needs them. */
  readonly external?: readonly string[]
}

/** Both schemes, copies for each request, and proofs of possession among them. */
const CLIENT_KIB = 44
/** Some 13 of them are the payment page and its QR codes, some 5 sessions and their event streams. */
const SERVER_KIB = 72

const entries: Entry[] = [
  {
    name: 'core, all of it',
    code: "export * from '@turnpike/l402'",
    budgetGzipKiB: 36,
    without: ['/server/', '/client/', '/stores/', '/lightning/'],
  },
  {
    name: 'core: read a challenge only',
    code: "export { findL402Challenges } from '@turnpike/l402'",
    budgetGzipKiB: 3,
    without: ['/noble/', '@noble/curves', 'bolt11'],
  },
  {
    name: 'server: paywall',
    code: "export { paywall } from '@turnpike/l402/server'",
    budgetGzipKiB: SERVER_KIB,
    without: ['/client/', '/stores/sqlite', '/lightning/sandbox'],
  },
  {
    name: 'client: payingFetch',
    code: "export { payingFetch } from '@turnpike/l402/client'",
    budgetGzipKiB: CLIENT_KIB,
    without: ['/server/', '/stores/purse-sqlite', '/lightning/sandbox'],
  },
  {
    name: 'WebLN wallet',
    code: "export { weblnWallet } from '@turnpike/l402/lightning/webln'",
    budgetGzipKiB: 30,
    without: ['/server/', '/client/', '/stores/', '/lightning/sandbox', '/lightning/lib/files'],
  },
]

// What is before the gate is small, and the client it stands in never comes along.
for (const name of ['undici', 'grpc', 'connect'])
  entries.push({
    name: `client: ${name}`,
    code: `export { payingInterceptor } from '@turnpike/l402/client/${name}'`,
    budgetGzipKiB: CLIENT_KIB + 3,
    without: ['/server/', '/stores/purse-', '/lightning/sandbox', '/lightning/lib/files'],
    external: ['@grpc/grpc-js', '@connectrpc/connect'],
  })
for (const [name, maker] of [
  ['indexeddb', 'indexedDbPurse'],
  ['durable-object', 'durableObjectPurse'],
])
  entries.push({
    name: `purse: ${name}`,
    code: `export { ${maker} } from '@turnpike/l402/purse/${name}'`,
    budgetGzipKiB: 14,
    without: ['/server/', '/client/', '/stores/purse-sqlite', '/stores/purse-file', '/lightning/'],
  })
entries.push({
  name: 'MCP: payingTools',
  code: "export { payingTools } from '@turnpike/l402/mcp'",
  budgetGzipKiB: CLIENT_KIB + 2,
  without: ['/server/', '/adapters/', '/stores/purse-sqlite', '/lightning/sandbox', '@modelcontextprotocol'],
})
entries.push({
  name: 'MCP: paidTool',
  code: "export { paidTool } from '@turnpike/l402/mcp'",
  budgetGzipKiB: SERVER_KIB + 2,
  without: ['/client/', '/stores/sqlite', '/lightning/sandbox', '@modelcontextprotocol'],
})

// Fetch's shape runs anywhere; a framework is the app's own, and never comes along.
for (const name of ['hono', 'fetch', 'next', 'next-proxy', 'trpc'])
  entries.push({
    name: `adapter: ${name}`,
    code: `export { l402 } from '@turnpike/l402/${name}'`,
    budgetGzipKiB: SERVER_KIB,
    without: ['/client/', '/stores/sqlite', '/lightning/sandbox', 'node_modules/hono', 'node_modules/next'],
  })
for (const name of ['node', 'express', 'nest', 'fastify', 'koa'])
  entries.push({
    name: `adapter: ${name}`,
    code: `export { l402 } from '@turnpike/l402/${name}'`,
    budgetGzipKiB: SERVER_KIB,
    without: ['/client/', '/stores/sqlite', '/lightning/sandbox', `node_modules/${name}`],
    // An upgrade that is not let through is answered by Node's own ServerResponse.
    external: ['node:http'],
  })

let failures = 0
for (const { name, code, budgetGzipKiB, without, external = [] } of entries) {
  const result = await build({
    stdin: { contents: code, resolveDir: import.meta.dirname },
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
  }).catch((error: Error) => {
    console.log(`FAILED ${name}: ${error.message}`)
    return undefined
  })
  if (result === undefined) {
    failures++
    continue
  }
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
  if (problems.length > 0) failures++
  const size = `${gzipKiB.toFixed(1)} of ${budgetGzipKiB} KiB gzip`
  console.log(
    `${problems.length === 0 ? 'ok    ' : 'FAILED'} ${name}: ${size}${problems.map((p) => `; ${p}`).join('')}`,
  )
}
process.exit(failures === 0 ? 0 : 1)
