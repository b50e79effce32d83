/** What of an upstream's own document goes out: no more than the operations that are sold there need. */

type Json = Record<string, unknown>

/** An operation or a path without the addresses of the upstream: clients are to come here. */
export function withoutServers({ servers: _, ...rest }: Json): Json {
  return rest
}

/** Those components that `paths` refer to, and those that these refer to; and how clients say who they are. */
export function neededComponents(components: Json, paths: unknown): Json {
  const needed = new Set<string>()
  const collect = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    for (const [key, inner] of Object.entries(value)) {
      // A discriminator names schemas by their reference, too.
      if (typeof inner === 'string') refer(inner)
      else if (key !== 'example' && key !== 'examples') collect(inner)
    }
  }
  const refer = (text: string): void => {
    const [, kind = '', name = ''] = /^#\/components\/([^/]+)\/([^/]+)$/.exec(text) ?? []
    if (kind === '' || needed.has(`${kind}/${name}`)) return
    needed.add(`${kind}/${name}`)
    collect((components[kind] as Json | undefined)?.[unescaped(name)])
  }
  collect(paths)
  return Object.fromEntries(
    Object.entries(components).flatMap(([kind, all]) => {
      if (kind === 'securitySchemes') return [[kind, all]]
      const kept = Object.entries((all ?? {}) as Json).filter(([name]) =>
        needed.has(`${kind}/${escaped(name)}`),
      )
      return kept.length === 0 ? [] : [[kind, Object.fromEntries(kept)]]
    }),
  )
}

/** As a JSON pointer has it (RFC 6901). */
function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

function unescaped(name: string): string {
  return name.replaceAll('~1', '/').replaceAll('~0', '~')
}
