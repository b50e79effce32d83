/** `aperture.yaml` read: every value checked by its kind, and what is not carried told. */

import { nearestName } from '../cli/nearest.ts'
import type { ConfigIssue } from '../config/issue.ts'
import { type Path, readYaml, type YamlSource } from '../config/yaml-source.ts'
import { expressionFault } from './expressions.ts'
import { goDuration } from './go-values.ts'
import { APERTURE_KEY, APERTURE_KEYS, type ApertureKind } from './keys.ts'

/** A file of Aperture's. */
export interface ApertureSource {
  /** What is wrong: nothing can be made of the file. */
  readonly issues: ConfigIssue[]
  /** What is not carried, and why. */
  readonly notes: ConfigIssue[]
  /** The value of a key below `at`, under any of its spellings; its kind has been checked. */
  get(key: string, at?: Path): unknown
  text(key: string, at?: Path): string
  flag(key: string, at?: Path): boolean
  whole(key: string, at?: Path): number
  /** Nanoseconds. */
  duration(key: string, at?: Path): number | undefined
  texts(key: string, at?: Path): readonly string[]
  table(key: string, at?: Path): Readonly<Record<string, string>>
  /** How many entries a list has. */
  count(key: string, at?: Path): number
  issue(path: Path, message: string): void
  note(path: Path, message: string): void
}

/** Reads the text of an `aperture.yaml`. Never throws for what is in it; look at `issues` first. */
export function readAperture(text: string): ApertureSource {
  const yaml = readYaml(text, null)
  const issues: ConfigIssue[] = [...yaml.issues]
  const notes: ConfigIssue[] = []
  const told = (path: Path, message: string): ConfigIssue => ({
    position: yaml.locate(path),
    message: `${nameOf(path)}: ${message}`,
  })
  const issue = (path: Path, message: string): void => void issues.push(told(path, message))
  const note = (path: Path, message: string): void => void notes.push(told(path, message))
  if (issues.length === 0) {
    const top = yaml.value
    if (typeof top !== 'object' || top === null || Array.isArray(top))
      issues.push({
        position: { line: 1, column: 1 },
        message: 'not a table, expected keys such as "listenaddr"',
      })
    else checkAll(yaml, { issue, note })
  }
  const get = (key: string, at: Path = []): unknown => {
    const entry = APERTURE_KEY.get(keyOf([...at, ...key.split('.')]))
    const spellings = [
      key,
      ...(entry?.documented === undefined ? [] : [entry.documented.slice(entry.key.length - key.length)]),
    ]
    for (const spelling of spellings) {
      const value = yaml.get([...at, ...spelling.split('.')])
      if (value !== undefined && value !== null) return value
    }
    return undefined
  }
  return {
    issues,
    notes,
    issue,
    note,
    get,
    text: (key, at) => String(get(key, at) ?? ''),
    flag: (key, at) => get(key, at) === true,
    whole: (key, at) => Number(get(key, at) ?? 0),
    duration: (key, at) => {
      const value = get(key, at)
      return value === undefined ? undefined : goDuration(String(value))
    },
    texts: (key, at) => listOf(get(key, at)).map(String),
    table: (key, at) => {
      const value = get(key, at)
      if (typeof value !== 'object' || value === null) return {}
      return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, String(each)]))
    },
    count: (key, at) => listOf(get(key, at)).length,
  }
}

interface Telling {
  readonly issue: (path: Path, message: string) => void
  readonly note: (path: Path, message: string) => void
}

/** Keys that hold further keys. */
const ABOVE = new Set(
  APERTURE_KEYS.flatMap(({ key }) =>
    key.split('.').map((_, index, parts) => parts.slice(0, index).join('.')),
  ),
)

function checkAll(yaml: YamlSource, telling: Telling): void {
  const walk = (path: Path, value: unknown): void => {
    const key = keyOf(path)
    const entry = APERTURE_KEY.get(key)
    if (entry !== undefined) {
      // A key without a value is one that is left out.
      if (value === null) return
      const fault = kindFault(entry.kind, value)
      if (fault !== undefined) telling.issue(path, fault)
      else if (entry.why !== undefined && isSaid(value))
        telling.note(path, `${entry.becomes === '' ? 'not carried' : 'carried in part'}: ${entry.why}`)
      if (entry.documented === key)
        telling.note(path, `Aperture reads "${entry.key}" only and did without it; it is taken for that here`)
      return
    }
    if (key === '' || ABOVE.has(key) || ABOVE.has(`${key}[]`)) {
      if (value === null) return
      if (Array.isArray(value) && ABOVE.has(`${key}[]`))
        for (const [index, item] of value.entries()) walk([...path, index], item)
      else if (typeof value === 'object' && !Array.isArray(value) && !ABOVE.has(`${key}[]`))
        for (const [name, item] of Object.entries(value)) walk([...path, name], item)
      else telling.issue(path, `expected a ${ABOVE.has(`${key}[]`) ? 'list' : 'table'}`)
      return
    }
    const known = [...APERTURE_KEY.keys()].map((each) => each.split(/\.|(?<=\])\.?/).at(-1) ?? '')
    const near = nearestName(String(path.at(-1)), known)
    telling.note(
      path,
      `not a key of Aperture’s, which ignores it${near === undefined ? '' : ` (did you mean "${near}"?)`}`,
    )
  }
  walk([], yaml.value)
}

/** Whether a value asks for something that Aperture does not do anyway. */
function isSaid(value: unknown): boolean {
  return value !== false && value !== '' && value !== 0 && !(Array.isArray(value) && value.length === 0)
}

function kindFault(kind: ApertureKind, value: unknown): string | undefined {
  switch (kind) {
    case 'any':
      return undefined
    case 'flag':
      return typeof value === 'boolean' ? undefined : 'expected true or false'
    case 'whole':
      return Number.isSafeInteger(value) ? undefined : 'expected a whole number'
    case 'text':
      return isText(value) ? undefined : 'expected a text'
    case 'duration':
      return (typeof value === 'string' || value === 0) && goDuration(String(value)) !== undefined
        ? undefined
        : 'not a duration, expected one such as "30s" or "1m30s"'
    case 'expression':
      return regexpFault(value)
    case 'texts':
      return Array.isArray(value) && value.every(isText) ? undefined : 'expected a list of texts'
    case 'expressions':
      if (!Array.isArray(value)) return 'expected a list of expressions'
      return value.map(regexpFault).find((fault) => fault !== undefined)
    case 'table':
      return typeof value === 'object' && !Array.isArray(value) && Object.values(value ?? {}).every(isText)
        ? undefined
        : 'expected a table of texts'
    case 'auth':
      // Aperture takes any other word for "off".
      return /^(?:on|off|true|false|freebie [0-9]{1,9}|)$/i.test(String(value)) && isText(value)
        ? undefined
        : 'not a word that opens or closes a service, expected on, off, true, false or "freebie N"'
  }
}

function isText(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}

function regexpFault(value: unknown): string | undefined {
  if (typeof value !== 'string') return 'expected an RE2 expression'
  const why = expressionFault(value)
  return why === undefined ? undefined : `not an RE2 expression that can be used (${why})`
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** `services[].name` of the path to a value. */
function keyOf(path: Path): string {
  return path.reduce<string>(
    (key, step) =>
      typeof step === 'number' ? `${key}[]` : key === '' ? String(step) : `${key}.${String(step)}`,
    '',
  )
}

/** `services[0].name` of the path to a value. */
function nameOf(path: Path): string {
  return path.reduce<string>(
    (name, step) =>
      typeof step === 'number' ? `${name}[${step}]` : name === '' ? String(step) : `${name}.${String(step)}`,
    '',
  )
}
