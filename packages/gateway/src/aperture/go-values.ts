/** Values as Go programs write them. */

import { join, resolve } from 'node:path'

const UNIT_NS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 6e10,
  h: 3.6e12,
}

/** Nanoseconds of a duration such as `1m30s` or `-1s`; `undefined` for any other text. */
export function goDuration(text: string): number | undefined {
  if (/^[+-]?0$/.test(text)) return 0
  const parts = /^([+-]?)((?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)$/.exec(text)
  if (parts === null) return undefined
  let sum = 0
  for (const [, number = '', unit = ''] of (parts[2] ?? '').matchAll(/([0-9.]+)(ns|us|µs|μs|ms|s|m|h)/g))
    sum += Number(number) * (UNIT_NS[unit] ?? 0)
  return parts[1] === '-' ? -sum : Math.round(sum)
}

/** `host:port` of an address to listen on or to dial; `undefined` for what is none. Without a host: `anyHost`. */
export function goAddress(text: string, anyHost: string): string | undefined {
  const parts = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*):([0-9]{1,5})$/.exec(text)
  if (parts === null || Number(parts[2]) > 65_535) return undefined
  return `${parts[1] === '' ? anyHost : parts[1]}:${Number(parts[2])}`
}

/** A file name as Aperture reads it: `~` and variables filled in. Relative ones start at `folder`. */
export function goPath(
  text: string,
  { folder, env }: { readonly folder: string; readonly env: Readonly<Record<string, string | undefined>> },
): string {
  const home = env['HOME'] ?? ''
  const expanded = text
    .replace(/^~(?=\/|$)/, () => home)
    .replace(
      /\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z_][A-Za-z0-9_]*))/g,
      (_, a: string | undefined, b: string | undefined) => env[a ?? b ?? ''] ?? '',
    )
  return resolve(folder, expanded)
}

/** Aperture's own folder where none is named. */
export function apertureFolder(env: Readonly<Record<string, string | undefined>>): string {
  return join(env['HOME'] ?? '', '.aperture')
}
