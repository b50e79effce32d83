/**
 * `turnpike.services.yaml` beside `turnpike.yaml`: the services that were changed through the admin API. A service that
 * stands there takes the place of the one with the same name as a whole; `null` takes it away.
 */

import { readFileSync } from 'node:fs'
import { CommandError, exitCode } from '../cli/exit.ts'
import type { ConfigIssue, Position } from './issue.ts'
import { type Path, readYaml, valueAt, type YamlSource } from './yaml-source.ts'

/** The overlay of a configuration. */
export interface OverlayText {
  /** As messages call it. */
  readonly file: string
  readonly text: string
}

/** The name of the overlay beside a configuration. */
export function overlayName(file: string): string {
  return `${file.replace(/\.ya?ml$/i, '')}.services.yaml`
}

/** The overlay's text; `undefined` where there is none. Throws {@link CommandError} with exit code 78. */
export function readOverlay(file: string, shown: string): OverlayText | undefined {
  try {
    return { file: shown, text: readFileSync(file, 'utf8') }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown fault'
    if (code === 'ENOENT') return undefined
    throw new CommandError(exitCode.config, `${shown}: cannot be read (${code}), expected a readable file`)
  }
}

type Table = Readonly<Record<string, unknown>>

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The configuration with the services of its overlay. Faults of the overlay are in `issues`. */
export function withOverlay(
  main: YamlSource,
  overlay: OverlayText | undefined,
  env: Readonly<Record<string, string | undefined>>,
): YamlSource {
  if (overlay === undefined || overlay.text.trim() === '' || !isTable(main.value)) return main
  const over = readYaml(overlay.text, env)
  const there = (position: Position): Position => ({ ...position, file: overlay.file })
  const issues: ConfigIssue[] = over.issues.map((issue) => ({ ...issue, position: there(issue.position) }))
  const refuse = (path: Path, message: string): void => {
    issues.push({ position: there(over.locateKey(path)), message })
  }
  const found = isTable(over.value) ? over.value : {}
  if (!isTable(over.value) && over.value !== null) refuse([], 'not a table, expected "services"')
  for (const key of Object.keys(found))
    if (key !== 'services') refuse([key], `unknown key "${key}", expected only "services" in this file`)
  const changed = found['services'] ?? {}
  if (!isTable(changed)) refuse(['services'], 'services: not a table, expected the services by name')
  const services = merged(main.value['services'], isTable(changed) ? changed : {})
  const value = { ...main.value, services }
  const isOver = (path: Path): boolean =>
    path[0] === 'services' && path.length > 1 && isTable(changed) && Object.hasOwn(changed, path[1] ?? '')
  return {
    value,
    issues: [...main.issues, ...issues],
    locate: (path) => (isOver(path) ? there(over.locate(path)) : main.locate(path)),
    locateKey: (path) => (isOver(path) ? there(over.locateKey(path)) : main.locateKey(path)),
    isSubstituted: (path) => (isOver(path) ? over : main).isSubstituted(path),
    get: (path) => valueAt(value, path),
  }
}

/** In the order of the configuration, then of the overlay. */
export function merged(services: unknown, changed: Table): unknown {
  if (!isTable(services)) return services
  const all: Record<string, unknown> = Object.create(null)
  for (const [name, service] of [...Object.entries(services), ...Object.entries(changed)])
    all[name] = Object.hasOwn(changed, name) ? changed[name] : service
  for (const [name, service] of Object.entries(changed)) if (service === null) delete all[name]
  return all
}
