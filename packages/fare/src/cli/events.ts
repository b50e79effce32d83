import type { PurchaseEvent } from '@turnpike/l402/client'
import type { Ending, ExitCode } from '../exit-codes.ts'
import { toJson } from './json.ts'
import type { Streams } from './streams.ts'

/** The last line of `--events`, whatever happened. */
export interface EndEvent {
  readonly type: 'end'
  readonly exitCode: ExitCode
  readonly outcome: Ending
  readonly message: string
}

/** Writes events as they happen, one JSON object a line. */
export function eventLines(streams: Streams): (event: PurchaseEvent | EndEvent) => void {
  return (event) => streams.err(toJson(event).trimEnd())
}
