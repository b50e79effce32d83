/** One service of Aperture's as one of ours. */

import type { Path } from '../config/yaml-source.ts'
import { takesAll, takesAllPaths, wholeText } from './expressions.ts'
import { goAddress, goDuration, goPath } from './go-values.ts'
import { priceOf } from './prices.ts'
import type { ApertureSource } from './source.ts'
import { flow, quoted, word } from './yaml-text.ts'

/** What services are translated with. */
export interface ServicesContext {
  /** Relative file names start here. */
  readonly folder: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** `timeout` of each. */
  readonly firstByteSeconds: number
  /** Host and match of the routes before; gets those of these services too. */
  readonly taken: Set<string>
}

/** What a route is taken by: `''` is every host. */
export function takenKey(hostExpression: string, match: string): string {
  return `${takesAll(hostExpression) ? '' : hostExpression}\n${match}`
}

/** Far off, but a time all the same: what Aperture sells without `timeout` has no end. */
const NO_END = '36500d'

/** The lines below `services:`. */
export function serviceLines(source: ApertureSource, context: ServicesContext): string[] {
  const names = new Set<string>()
  return Array.from({ length: source.count('services') }, (_, index) => ['services', index]).flatMap((at) => {
    const name = nameOf(source, at, names)
    return oneService(source, { at, name, ...context })
  })
}

interface OneService extends ServicesContext {
  readonly at: Path
  readonly name: string
}

function oneService(source: ApertureSource, one: OneService): string[] {
  const { at, name, folder, env } = one
  const path = (text: string): string => quoted(goPath(text, { folder, env }))
  const address = goAddress(source.text('address', at), '127.0.0.1')
  if (address === undefined) source.issue([...at, 'address'], 'expected host:port of the backend')
  const protocol = source.text('protocol', at) || 'http'
  if (protocol !== 'http' && protocol !== 'https') source.issue([...at, 'protocol'], 'expected http or https')
  const certificate = source.text('tlscertpath', at)
  const pathExpression = source.text('pathregexp', at)
  const lines = [`  ${word(name)}:`, `    upstream: ${quoted(`${protocol}://${address ?? ''}`)}`]
  if (protocol === 'https') {
    // `/package.Service/Method`: gRPC needs HTTP/2.
    if (/[a-z]\\?\.[A-Z][A-Za-z]*\/|\.\[?[A-Z]/.test(pathExpression))
      lines.push('    protocol: h2 # gRPC; take it out where the backend speaks HTTP/1.1')
    if (certificate !== '') lines.push(`    upstreamTls: { caFile: ${path(certificate)} }`)
    else
      source.note(
        [...at, 'protocol'],
        'carried in part: the certificate of the backend is checked here, by the system’s authorities; Aperture takes any ("upstreamTls: { caFile }" names another)',
      )
  }
  const host = source.text('hostregexp', at)
  if (!takesAll(host)) lines.push(`    hosts: ${quoted(`~${wholeText(host)}`)}`)
  lines.push(`    timeout: ${one.firstByteSeconds}s`)
  const prefix = source.text('rewrite.prefix', at)
  if (prefix !== '') {
    if (!/^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._~-]+)+\/?$/.test(prefix))
      source.issue(
        [...at, 'rewrite', 'prefix'],
        'invalid prefix format, expected a plain absolute path such as /api',
      )
    lines.push(`    rewrite: { prefix: ${quoted(prefix)} }`)
  }
  const head = [...lines, ...headerLines(source, one), ...rateLines(source, at)]
  const selling = sellingLines(source, one)
  return selling.length === 0 ? [] : [...head, ...selling]
}

function nameOf(source: ApertureSource, at: Path, names: Set<string>): string {
  const given = source.text('name', at)
  if (given === '')
    source.issue([...at, 'name'], 'a service without a name, expected one: it stands in every token')
  let name = given
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, 64)
  if (name === '') name = 'service'
  if (name !== given && given !== '')
    source.note(
      [...at, 'name'],
      `is "${name}" here (lower case, letters, digits, "-" and "_"): tokens that Aperture sold for it do not open it`,
    )
  if (names.has(name)) {
    let number = 2
    while (names.has(`${name}-${number}`)) number += 1
    source.note(
      [...at, 'name'],
      `stands there twice, so this one is "${name}-${number}": tokens of one do not open the other`,
    )
    name = `${name}-${number}`
  }
  names.add(name)
  return name
}

/** `headers`: plain, with variables, or out of files. */
function headerLines(source: ApertureSource, { at, folder, env }: OneService): string[] {
  const entries = Object.entries(source.table('headers', at))
  if (entries.length === 0) return []
  const lines = ['    headers:', '      request:', '        set:']
  for (const [name, value] of entries) {
    const parts = /^!file(?:\+(\w+))?:(.*)$/s.exec(value)
    if (parts !== null && parts[1] !== 'hex' && parts[1] !== 'base64')
      source.issue(
        [...at, 'headers', name],
        'not a value out of a file, expected !file+hex:PATH or !file+base64:PATH',
      )
    const text =
      parts === null
        ? quoted(value, { variables: true })
        : flow([
            ['file', quoted(goPath(parts[2] ?? '', { folder, env }))],
            ['encoding', parts[1]],
          ])
    lines.push(`          ${word(name)}: ${text}`)
  }
  return lines
}

function rateLines(source: ApertureSource, at: Path): string[] {
  const lines = Array.from({ length: source.count('ratelimits', at) }, (_, index) => [
    ...at,
    'ratelimits',
    index,
  ]).map((rule) => {
    const requests = source.whole('requests', rule)
    const burst = source.whole('burst', rule) || requests
    const perNs = goDuration(String(source.get('per', rule) ?? '')) ?? 0
    if (requests <= 0) source.issue([...rule, 'requests'], 'expected a whole number above 0')
    if (perNs <= 0) source.issue([...rule, 'per'], 'expected a duration above 0, such as 1s')
    if (burst < 0) source.issue([...rule, 'burst'], 'expected a whole number from 0')
    // The same rate in whole seconds; how many at once is said beside it.
    let times = 1
    while (perNs > 0 && (times * perNs) % 1e9 !== 0 && times < 1e6) times += 1
    if ((times * perNs) % 1e9 !== 0)
      source.issue([...rule, 'per'], 'expected a duration in milliseconds at the finest')
    const expression = source.text('pathregexp', rule)
    return `      - ${flow([
      ['match', expression === '' ? undefined : quoted(`~${wholeText(expression)}`)],
      ['requests', `${requests * times}/${(times * perNs) / 1e9}s`],
      ['burst', String(burst)],
      ['per', 'token'],
    ])}`
  })
  return lines.length === 0 ? [] : ['    rateLimits:', ...lines]
}

/** What is free, what is sold, and for what. */
function sellingLines(source: ApertureSource, one: OneService): string[] {
  const { at, name } = one
  const auth = source.text('auth', at).toLowerCase()
  const open = auth === 'off' || auth === 'false'
  const freebies = Number(/^freebie (\d+)$/.exec(auth)?.[1] ?? 0)
  const lines: string[] = []
  if (freebies > 0) {
    // The longest window there is.
    lines.push(`    freebie: ${freebies}/366d`)
    source.note(
      [...at, 'auth'],
      'carried in part: free requests are counted in the books, and come back after 366 days; Aperture forgets them when it restarts',
    )
  }
  const price = priceOf(source, one)
  const base = wholePath(source.text('pathregexp', at))
  const within = (expression: string): string => {
    const text = takesAllPaths(expression) ? '' : wholeText(expression)
    if (base === '' || text === '') return text === '' && base === '' ? '/*' : `~${text === '' ? base : text}`
    return `~${base} &~${text}`
  }
  const seconds = source.whole('timeout', at)
  if (seconds < 0 || seconds > 36_525 * 86_400)
    source.issue([...at, 'timeout'], 'expected seconds from 0, at most a century')
  const valid = seconds === 0 ? NO_END : `${seconds}s`
  const sold: (readonly [string, string | undefined])[] = [
    ['price', price.text],
    // A bundle of the price server's ends when it says so.
    ['grants', price.metered && seconds === 0 ? undefined : `{ valid: ${valid} }`],
    ['anyCapability', price.bound ? undefined : 'true'],
    ['capability', price.bound ? word(name) : undefined],
  ]
  const routes: string[] = []
  const add = (
    from: Path,
    match: string,
    entries: readonly (readonly [string, string | undefined])[],
  ): void => {
    const key = takenKey(source.text('hostregexp', at), match)
    if (one.taken.has(key)) {
      source.note([...at, ...from], 'not carried: another one before it takes the same paths')
      return
    }
    one.taken.add(key)
    routes.push(`      - ${flow([['match', quoted(match)], ...entries, ['allowEncodedSlash', 'true']])}`)
  }
  if (!open) {
    for (const [index, expression] of source.texts('authwhitelistpaths', at).entries())
      add(['authwhitelistpaths', index], within(expression), [['free', 'true']])
    const skipped = source.texts('authskipinvoicecreationpaths', at)
    if (freebies > 0 && skipped.length > 0)
      source.note(
        [...at, 'authskipinvoicecreationpaths'],
        'not carried: Aperture does not go by it on a service with freebies',
      )
    else
      for (const [index, expression] of skipped.entries())
        add(['authskipinvoicecreationpaths', index], within(expression), [...sold, ['skipInvoice', 'true']])
  }
  add([], within(''), open ? [['free', 'true']] : sold)
  if (open) {
    for (const key of [
      'price',
      'timeout',
      'capabilities',
      'constraints',
      'authwhitelistpaths',
      'authskipinvoicecreationpaths',
      'dynamicprice',
    ])
      if (source.get(key, at) !== undefined)
        source.note([...at, key], 'not carried: the service is open, so it sells nothing')
  } else lines.push(...mintLines(source, { ...one, bound: price.bound }))
  // Nothing is left of a service whose paths another one has.
  return routes.length === 0 ? [] : [...lines, '    routes:', ...routes]
}

function wholePath(expression: string): string {
  return takesAllPaths(expression) ? '' : wholeText(expression)
}

/** `capabilities` and `constraints`. */
function mintLines(
  source: ApertureSource,
  { at, name, bound }: OneService & { readonly bound: boolean },
): string[] {
  const capabilities = source
    .text('capabilities', at)
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
  if (bound && capabilities.length > 0)
    source.note(
      [...at, 'capabilities'],
      'not carried: a capability binds tokens to what they were bought for here',
    )
  const caveats = Object.entries(source.table('constraints', at)).filter(([condition]) => {
    if (condition !== 'services' && !condition.startsWith(`${name}_`)) return true
    source.note(
      [...at, 'constraints', condition],
      'not carried: the gateway enforces this condition, so its value is for it to say',
    )
    return false
  })
  const entries: (readonly [string, string | undefined])[] = [
    [
      'capabilities',
      bound || capabilities.length === 0
        ? undefined
        : `[${capabilities.map((each) => quoted(each)).join(', ')}]`,
    ],
    [
      'caveats',
      caveats.length === 0
        ? undefined
        : flow(caveats.map(([condition, value]) => [condition, quoted(value)])),
    ],
  ]
  return entries.every(([, value]) => value === undefined) ? [] : [`    mints: ${flow(entries)}`]
}
