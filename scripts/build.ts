/**
 * Builds the three packages, library first: plain `tsc` output into each package's dist/. The purse's program is bundled
 * beside it, because a command line is waited for: one file loads in a third of the time of a hundred. It is published with a source map that holds the
 * sources, and without the files it was made of.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url))

for (const name of ['l402', 'gateway', 'fare']) {
  rmSync(`${root}packages/${name}/dist`, { recursive: true, force: true })
  const { status } = spawnSync(process.execPath, [tsc, '-p', `packages/${name}/tsconfig.build.json`], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(status ?? 1)
}

/**
 * Modules that are evaluated at the first use of what they export, not where the bundle starts: Node's own, which take
 * longer to load than all of `fare`, and what is needed for a purchase alone. Node's are asked for by name, because an
 * `import` of `node:http` reads all it exports, and with that loads the whole of the platform's `fetch`.
 */
const lazily: Plugin = {
  name: 'lazily',
  setup({ onResolve, onLoad }) {
    const kinds: Record<string, { readonly of: RegExp; readonly load: (path: string) => string }> = {
      node: { of: /^node:/, load: (path) => `process.getBuiltinModule('${path}')` },
      installed: {
        of: /^(undici|zod|@modelcontextprotocol\/.*)$/,
        load: (path) => `process.getBuiltinModule('node:module').createRequire(fareBundle)('${path}')`,
      },
      purchase: { of: /^(@noble\/curves\/.*|@scure\/base)$/, load: (path) => `require('${path}')` },
    }
    for (const [namespace, { of, load }] of Object.entries(kinds)) {
      onResolve({ filter: of }, ({ path, kind }) =>
        kind === 'import-statement' || namespace === 'node' ? { path, namespace } : null,
      )
      onLoad({ filter: /^/, namespace }, ({ path }) => ({
        contents: `let module_;module.exports=Object.create(new Proxy({},{get:(_,name)=>(module_??=${load(path)})[name]}))`,
        resolveDir: root,
      }))
    }
  },
}

await build({
  absWorkingDir: root,
  entryPoints: { fare: 'packages/fare/dist/main.js' },
  outdir: 'packages/fare/dist',
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node22.13',
  minifySyntax: true,
  minifyWhitespace: true,
  sourcemap: true,
  banner: {
    js: 'const fareBundle = import.meta.url;',
  },
  // Found at run time where they are installed.
  external: ['@getalby/sdk', 'lightningdevkit', '@scure/btc-signer'],
  plugins: [lazily],
  logLevel: 'warning',
})
for (const bin of ['gateway/bin/turnpike.js', 'fare/bin/fare.js']) chmodSync(`${root}packages/${bin}`, 0o755)
