/** `store` and `keys.aperture`: which of the documented stores the file asks for. */

import { resolve } from 'node:path'
import { redisPlace } from '@turnpike/l402/store/redis'
import type { ApertureConfig, StoreConfig } from './config.ts'
import type { ConfigIssue } from './issue.ts'
import type { YamlSource } from './yaml-source.ts'

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
