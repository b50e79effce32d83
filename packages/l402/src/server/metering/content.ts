import type { HeaderLines } from '../../core/header-lines.ts'
import { headerValues } from './header-values.ts'

/** What an answer's head says about its body. */
export interface Content {
  /** In lower case, without parameters. */
  readonly type: string | undefined
  /** Codings in lower case, `identity` left out. */
  readonly codings: readonly string[]
}

/** Reads `Content-Type` and `Content-Encoding`. */
export function contentOf(headers: HeaderLines): Content {
  const type = headerValues(headers, 'content-type')[0]?.split(';', 1)[0]?.trim().toLowerCase()
  const codings = headerValues(headers, 'content-encoding')
    .flatMap((value) => value.toLowerCase().split(','))
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '' && coding !== 'identity')
  return { type, codings }
}

/** Whether the body is server-sent events that can be read as they come. */
export function isEventStream(headers: HeaderLines): boolean {
  const { type, codings } = contentOf(headers)
  return type === 'text/event-stream' && codings.length === 0
}
