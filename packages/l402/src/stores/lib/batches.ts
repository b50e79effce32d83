/** Told of every batch that a store has tried to write: what was gathered into one transaction, and how long that took. */
export type BatchListener = (batch: { readonly operations: number; readonly durationMs: number }) => void

/** Calls `listener` when the batch that begins now has ended. Does nothing without one. */
export function timeBatch(listener: BatchListener | undefined, operations: number): () => void {
  if (listener === undefined) return ignore
  const startedAt = performance.now()
  return () => listener({ operations, durationMs: performance.now() - startedAt })
}

function ignore(): void {}
