/** What happens right now, for those who watch. */

import type { SaleEvent } from '@turnpike/l402/server'

/** One thing that happened. */
export type LiveEvent =
  | { readonly kind: 'sale'; readonly event: SaleEvent }
  | { readonly kind: 'configuration'; readonly atMs: number; readonly by: string }

/** See {@link eventHub}. */
export interface EventHub {
  emit(event: LiveEvent): void
  /** Until the answered function is called; `undefined`: too many watch already. */
  watch(listener: (event: LiveEvent) => void): (() => void) | undefined
}

const WATCHERS_MAX = 64

/** Tells everybody who watches; what nobody watches is forgotten. */
export function eventHub(): EventHub {
  const listeners = new Set<(event: LiveEvent) => void>()
  return {
    emit(event) {
      for (const listener of [...listeners]) listener(event)
    },
    watch(listener) {
      if (listeners.size >= WATCHERS_MAX) return undefined
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}
