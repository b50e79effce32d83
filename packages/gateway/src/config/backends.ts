/** `lightning` and `store`: which of the documented backends the file asks for, and whether this version has it. */

import { resolve } from 'node:path'
import { redisPlace } from '@turnpike/l402/store/redis'
import { nearestName } from '../cli/nearest.ts'
import type { ApertureConfig, StoreConfig } from './config.ts'
import type { ConfigIssue } from './issue.ts'
import type { YamlSource } from './yaml-source.ts'

/** Backends of the documented surface that this version does not have. */
const LATER_BACKENDS = ['lnd', 'cln', 'phoenixd', 'lnbits', 'nwc']

const EXPECTED_LIGHTNING = 'expected "sandbox" (known: sandbox)'

/** Whether the file asks for the sandbox, as far as it can be told. Pushes what is wrong. */
export function readLightning(
  source: YamlSource,
  { sandbox }: { sandbox: boolean },
  issues: ConfigIssue[],
): void {
  // --sandbox counts whatever the file says, so what it says need not work here.
  if (sandbox) return
  const value = source.get(['lightning'])
  if (value === undefined) {
    const message = 'the key "lightning" is missing, expected "lightning: sandbox" (or run with --sandbox)'
    issues.push({ position: source.locate([]), message })
    return
  }
  const table = typeof value === 'object' && value !== null && !Array.isArray(value)
  const path = table && Object.hasOwn(value, 'backend') ? ['lightning', 'backend'] : ['lightning']
  const backend = table ? source.get(['lightning', 'backend']) : value
  const position = source.locate(path)
  const name = path.join('.')
  if (backend === 'sandbox') {
    const extra = table ? Object.keys(value).filter((key) => key !== 'backend') : []
    for (const key of extra) {
      const where = source.locateKey(['lightning', key])
      issues.push({
        position: where,
        message: `unknown key "${key}", expected only "backend" for the sandbox`,
      })
    }
    return
  }
  if (backend === undefined) {
    issues.push({
      position,
      message: 'lightning: the key "backend" is missing, expected { backend: sandbox }',
    })
    return
  }
  if (typeof backend !== 'string') {
    issues.push({ position, message: `${name}: not the name of a backend, ${EXPECTED_LIGHTNING}` })
    return
  }
  if (LATER_BACKENDS.includes(backend)) {
    const message = `${name}: the backend "${backend}" is not available yet, ${EXPECTED_LIGHTNING}; --sandbox runs with play money whatever the file says`
    issues.push({ position, message })
    return
  }
  const near = nearestName(backend, ['sandbox', ...LATER_BACKENDS])
  const meant = near === undefined ? '' : ` Did you mean "${near}"?`
  const shown = source.isSubstituted(path)
    ? 'the variable names no backend'
    : `unknown backend ${JSON.stringify(backend)}`
  issues.push({ position, message: `${name}: ${shown}, ${EXPECTED_LIGHTNING}.${meant}` })
}

/** Where the books are; `undefined` after pushing what is wrong. */
export function readStore(
  source: YamlSource,
  folder: string,
  issues: ConfigIssue[],
): StoreConfig | undefined {
  const value = source.get(['store']) ?? 'sqlite:turnpike.db'
  // What is not a text is the schema's to name.
  if (typeof value !== 'string' || value === '') return undefined
  if (value === 'memory') return { kind: 'memory' }
  const sqlite = /^sqlite:(?!\/\/)(.+)$/s.exec(value)?.[1]
  if (sqlite !== undefined && !sqlite.includes('\0')) return { kind: 'sqlite', file: resolve(folder, sqlite) }
  if (/^postgres(ql)?:\/\//.test(value) && URL.canParse(value)) return { kind: 'postgres', url: value }
  if (/^rediss?:/.test(value)) {
    try {
      return { kind: 'redis', url: value, place: redisPlace(value) }
    } catch (error) {
      // It does not repeat the value: there may be a password in it.
      issues.push({ position: source.locate(['store']), message: `store: ${(error as Error).message}` })
      return undefined
    }
  }
  const expected =
    'expected "memory", "sqlite:FILE", "postgres://USER:PASSWORD@HOST/DATABASE" or "redis://HOST[:PORT][/DATABASE]"'
  issues.push({ position: source.locate(['store']), message: `store: not a store, ${expected}` })
  return undefined
}

/** Aperture's database; `undefined` where there is none, or after pushing what is wrong. */
export function readAperture(
  source: YamlSource,
  folder: string,
  issues: ConfigIssue[],
): ApertureConfig | undefined {
  const path = ['keys', 'aperture']
  const value = source.get(path)
  // What is not a text is the schema's to name.
  if (typeof value !== 'string' || value === '') return undefined
  const sqlite = /^sqlite:(?!\/\/)(.+)$/s.exec(value)?.[1]
  if (sqlite !== undefined && !sqlite.includes('\0')) return { kind: 'sqlite', file: resolve(folder, sqlite) }
  if (/^postgres(ql)?:\/\//.test(value) && URL.canParse(value)) return { kind: 'postgres', url: value }
  const message =
    'keys.aperture: not a database of Aperture, expected "sqlite:FILE" or "postgres://USER:PASSWORD@HOST/DATABASE"'
  issues.push({ position: source.locate(path), message })
  return undefined
}
