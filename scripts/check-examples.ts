/** Compiles every `@example` of the library and every `ts` block of the READMEs, docs/clients.md and docs/frameworks.md against the library's own types. */
import { spawnSync } from 'node:child_process'
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import packageJson from '../packages/l402/package.json' with { type: 'json' }

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, 'node_modules', '.cache', 'turnpike', 'examples')

// What an example may use without saying where it comes from.
const SURROUNDINGS = `
declare const request: Request
declare const masterKey: Uint8Array
declare function forecast(request: Request): Response
declare const token: string
declare const file: Uint8Array
declare const purse: import('@turnpike/l402/client').PurseStore
declare const wallet: import('@turnpike/l402/lightning').PaymentBackend
`

const entryOf = new Map<string, string>()
for (const path of Object.keys(packageJson.exports).filter((each) => each !== './package.json')) {
  const entry = `@turnpike/l402${path.slice(1)}`
  for (const name of Object.keys(await import(entry))) if (!entryOf.has(name)) entryOf.set(name, entry)
}

function examplesOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  if (file.endsWith('.md')) return [...text.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code ?? '')
  return [...text.matchAll(/^ *\* @example\n((?: *\*(?! @|\/).*\n)+)/gm)].map(([, lines = '']) => {
    const code = lines.replaceAll(/^ *\* ?/gm, '')
    return /```ts\n(.*?)```/s.exec(code)?.[1] ?? code
  })
}

/** The example as a module, with the imports it leaves out. */
function moduleOf(code: string): string {
  const missing = [...entryOf].filter(
    ([name]) => new RegExp(`\\b${name}\\(`).test(code) && !new RegExp(`import[^'"]*\\b${name}\\b`).test(code),
  )
  const imports = missing.map(([name, entry]) => `import { ${name} } from '${entry}'\n`).join('')
  const own = [...code.matchAll(/^import .*$/gm)].map(([line]) => line).join('\n')
  const body = code.replaceAll(/^import .*$/gm, '')
  // In a function, an example may return, and names of its own hide the surroundings.
  const rest = /^export /m.test(body) ? body : `async function example() {\n${body}\n}\nvoid example\n`
  return `${imports}${own}${SURROUNDINGS}${rest}\nexport {}\n`
}

rmSync(folder, { recursive: true, force: true })
mkdirSync(folder, { recursive: true })
const files: string[] = []
for (const source of [
  'README.md',
  'docs/clients.md',
  'docs/frameworks.md',
  'packages/l402/README.md',
  ...globSync('packages/l402/src/**/*.ts', { cwd: root }),
].sort())
  for (const [i, code] of examplesOf(source).entries()) {
    const name = `${source.replaceAll(/[^a-z0-9]+/gi, '-')}-${i + 1}.ts`
    writeFileSync(join(folder, name), moduleOf(code))
    files.push(name)
  }
const config = {
  extends: join(root, 'tsconfig.json'),
  // An example may leave what it makes unused, and Nest's decorators are those from before the standard.
  compilerOptions: { noUnusedLocals: false, noUnusedParameters: false, experimentalDecorators: true },
  include: [],
  files,
}
writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', folder], { cwd: root, encoding: 'utf8' })
console.log(`${files.length} examples${status === 0 ? ' compile' : `:\n${stdout}`}`)
process.exit(status === 0 && files.length > 0 ? 0 : 1)
