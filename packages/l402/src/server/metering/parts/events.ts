import type { UnitRate } from '../charge.ts'
import { isEventStream } from '../content.ts'
import { costOf } from '../cost.ts'
import { type EventSplitter, eventSplitter } from '../event-splitter.ts'
import type { Part } from './part.ts'

/** Server-sent events that a client sees, but for the `[DONE]` at the end. Any other body is one unit, from its first byte. */
export function eventsPart(rate: UnitRate): Part {
  let splitter: EventSplitter | undefined
  let total = 0
  return {
    head(headers) {
      if (isEventStream(headers)) splitter = eventSplitter()
    },
    chunk(bytes) {
      if (splitter === undefined) total = 1
      else for (const { kind } of splitter.push(bytes)) if (kind === 'data') total++
    },
    cost: () => costOf(rate, BigInt(total)),
  }
}
