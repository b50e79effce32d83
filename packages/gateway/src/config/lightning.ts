/** `lightning`: which backends make the invoices, and what they are set up with. */

import { resolve } from 'node:path'
import {
  type BackendKind,
  checkSettings,
  findKind,
  kindsFor,
  settingKeys,
} from '@turnpike/l402/lightning/kinds'
import { nearestName } from '../cli/nearest.ts'
import type { LightningConfig } from './config.ts'
import type { ConfigIssue } from './issue.ts'
import type { NamedFile } from './named-files.ts'
import type { YamlSource } from './yaml-source.ts'

const SANDBOX: LightningConfig = { backend: 'sandbox', settings: {}, position: { line: 1, column: 1 } }

/** Keys of ours beside the settings of a backend. */
const BESIDE: ReadonlySet<string> = new Set(['backend', 'strict', 'minAmount', 'maxAmount'])

type Path = readonly (string | number)[]

/** Where file names start, and which are named. */
interface Files {
  readonly folder: string
  readonly named: NamedFile[]
}

/** The backends in order, and the files that they name; what is wrong is pushed. */
export function readLightning(
  source: YamlSource,
  { sandbox, folder }: { readonly sandbox: boolean; readonly folder: string },
  issues: ConfigIssue[],
): { readonly lightning: readonly LightningConfig[]; readonly files: readonly NamedFile[] } {
  const files: Files = { folder, named: [] }
  return { lightning: readAll(source, { sandbox, files }, issues), files: files.named }
}

function readAll(
  source: YamlSource,
  { sandbox, files }: { readonly sandbox: boolean; readonly files: Files },
  issues: ConfigIssue[],
): readonly LightningConfig[] {
  // --sandbox counts whatever the file says, so what it says need not work here.
  if (sandbox) return [SANDBOX]
  const value = source.get(['lightning'])
  if (value === undefined) {
    const message =
      'the key "lightning" is missing, expected a backend such as "lightning: { backend: lnd, … }" or "lightning: sandbox" (or run with --sandbox)'
    issues.push({ position: source.locate([]), message })
    return []
  }
  if (!Array.isArray(value)) return [readOne(source, { path: ['lightning'], files }, issues)].flat()
  const read = value.flatMap((_, at) => readOne(source, { path: ['lightning', at], files }, issues))
  const position = source.locate(['lightning'])
  if (value.length === 0) issues.push({ position, message: 'lightning: an empty list, expected a backend' })
  if (read.length > 1 && read.some(({ backend }) => backend === 'sandbox')) {
    const message = 'lightning: the sandbox is play money, expected it alone or not at all'
    issues.push({ position, message })
  }
  return read
}

function readOne(
  source: YamlSource,
  { path, files }: { readonly path: Path; readonly files: Files },
  issues: ConfigIssue[],
): LightningConfig[] {
  const value = source.get([...path])
  const table = typeof value === 'object' && value !== null && !Array.isArray(value)
  const named = table ? Object.entries(value as object) : []
  const backend = table ? source.get([...path, 'backend']) : value
  const at = table && backend !== undefined ? [...path, 'backend'] : [...path]
  const kind = kindOf(source, { backend, at }, issues)
  if (kind === undefined) return []
  const given = Object.fromEntries(named.filter(([key]) => !BESIDE.has(key)))
  if (kind === 'sandbox') {
    for (const key of Object.keys(given)) {
      const message = `unknown key "${key}", expected only "backend" for the sandbox`
      issues.push({ position: source.locateKey([...path, key]), message })
    }
    return [SANDBOX]
  }
  const settings = readSettings(source, { kind, given, path, files }, issues)
  return [{ backend: kind.name, settings, position: source.locate([...path]) }]
}

function kindOf(
  source: YamlSource,
  { backend, at }: { readonly backend: unknown; readonly at: (string | number)[] },
  issues: ConfigIssue[],
): BackendKind | 'sandbox' | undefined {
  const names = ['sandbox', ...kindsFor('receive').map(({ name }) => name)]
  const expected = `expected one of ${names.join(', ')}`
  const position = source.locate(at)
  const where = at.join('.')
  if (backend === 'sandbox') return 'sandbox'
  if (backend === undefined) {
    const message = `${where}: the key "backend" is missing, ${expected}`
    issues.push({ position, message })
    return undefined
  }
  if (typeof backend !== 'string') {
    issues.push({ position, message: `${where}: not the name of a backend, ${expected}` })
    return undefined
  }
  const kind = findKind(backend, 'receive')
  if (kind !== undefined) return kind
  const near = nearestName(backend, names)
  const meant = near === undefined ? '' : ` Did you mean "${near}"?`
  const pays = findKind(backend, 'pay')
  const shown = source.isSubstituted(at)
    ? 'the variable names no backend'
    : pays === undefined
      ? `unknown backend ${JSON.stringify(backend)}`
      : `the backend ${JSON.stringify(backend)} pays, and makes no invoices`
  issues.push({ position, message: `${where}: ${shown}, ${expected}.${meant}` })
  return undefined
}

function readSettings(
  source: YamlSource,
  {
    kind,
    given,
    path,
    files,
  }: {
    readonly kind: BackendKind
    readonly given: Readonly<Record<string, unknown>>
    readonly path: Path
    readonly files: Files
  },
  issues: ConfigIssue[],
): Readonly<Record<string, string>> {
  const prefix = path.join('.')
  for (const { key, message } of checkSettings(kind, 'receive', given)) {
    const position =
      key === undefined
        ? source.locate([...path])
        : message.startsWith('unknown key')
          ? source.locateKey([...path, key])
          : source.locate([...path, key])
    issues.push({ position, message: `${prefix}: ${message}` })
  }
  const settings: Record<string, string> = {}
  for (const { key, type } of settingKeys(kind, 'receive')) {
    const value = given[key]
    if (value === undefined) continue
    settings[key] = type === 'file' ? resolve(files.folder, String(value)) : String(value)
    if (type !== 'file') continue
    const at = [...path, key]
    files.named.push({ key: at.join('.'), file: settings[key], position: source.locate(at) })
  }
  return settings
}
