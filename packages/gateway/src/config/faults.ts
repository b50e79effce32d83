/** zod's issues in the words of the file: what is wrong, what was expected, at which line and column. */

import type { z } from 'zod'
import { nearestName } from '../cli/nearest.ts'
import type { ConfigIssue } from './issue.ts'
import type { Path, YamlSource } from './yaml-source.ts'

/** The faults of the value at `base`. */
export function describeFaults(source: YamlSource, base: Path, error: z.ZodError): ConfigIssue[] {
  return error.issues.flatMap((issue) => describeFault(source, base, issue))
}

function describeFault(source: YamlSource, base: Path, issue: z.core.$ZodIssue): ConfigIssue[] {
  const path = placeOf(source, [...base, ...issue.path])
  const name = pathName(path)
  const subject = name === '' ? '' : `${name}: `
  if (issue.code === 'unrecognized_keys') {
    // The schema's message is the list of the keys there are (schema.ts).
    const known = issue.message.split(' ')
    return issue.keys.map((key) => {
      const near = nearestName(key, known)
      const expected = near === undefined ? `one of ${known.join(', ')}` : `"${near}"`
      return {
        position: source.locateKey([...path, key]),
        message: `unknown key "${key}", expected ${expected}`,
      }
    })
  }
  const position = source.locate(path)
  if (issue.code === 'custom') {
    const safe = issue.params?.['safe']
    const message = source.isSubstituted(path) && typeof safe === 'string' ? safe : issue.message
    return [{ position, message: `${subject}${message}` }]
  }
  const value = source.get(path)
  if (value === undefined) {
    const key = String(path.at(-1) ?? '')
    const where = pathName(path.slice(0, -1))
    const within = where === '' ? '' : `${where}: `
    return [{ position, message: `${within}the key "${key}" is missing, expected ${issue.message}` }]
  }
  const got = source.isSubstituted(path) ? 'the variable holds something else' : `this is ${kindOf(value)}`
  return [{ position, message: `${subject}${got}, expected ${issue.message}` }]
}

/** Where the schema takes one value for a list of one, its index is in no file. */
function placeOf(source: YamlSource, path: Path): Path {
  const index = path.findIndex(
    (step, at) => typeof step === 'number' && !Array.isArray(source.get(path.slice(0, at))),
  )
  return index < 0 ? path : [...path.slice(0, index), ...path.slice(index + 1)]
}

function kindOf(value: unknown): string {
  if (value === null) return 'empty'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object') return 'a table'
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
  return String(value)
}

/** `services.weather.routes[0].price`. */
export function pathName(path: Path): string {
  return path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
    .join('')
    .replace(/^\./, '')
}
