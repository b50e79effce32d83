/** Is everything there that a sale needs? */

/** One thing that is looked at. */
type CheckResult = 'ok' | 'failed' | 'slow'

/** The answer of `/readyz`. */
export interface Readiness {
  readonly ready: boolean
  readonly draining: boolean
  readonly checks: Readonly<Record<string, CheckResult>>
}

/** Longest wait for one check, in milliseconds. */
const DEADLINE_MS = 2_000

/** Asks all `checks` at once; several callers at a time share one round. */
export function readinessProbe(
  checks: Readonly<Record<string, () => Promise<void>>>,
  isDraining: () => boolean,
  deadlineMs: number = DEADLINE_MS,
): () => Promise<Readiness> {
  let running: Promise<Readonly<Record<string, CheckResult>>> | undefined
  const ask = async (): Promise<Readonly<Record<string, CheckResult>>> => {
    const results = await Promise.all(
      Object.entries(checks).map(async ([name, check]) => [name, await within(check, deadlineMs)] as const),
    )
    return Object.fromEntries(results)
  }
  return async () => {
    running ??= ask().finally(() => {
      running = undefined
    })
    const results = await running
    const draining = isDraining()
    const ready = !draining && Object.values(results).every((result) => result === 'ok')
    return { ready, draining, checks: results }
  }
}

async function within(check: () => Promise<void>, deadlineMs: number): Promise<CheckResult> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<CheckResult>((resolve) => {
    timer = setTimeout(() => resolve('slow'), deadlineMs)
  })
  const asked = (async (): Promise<CheckResult> => {
    try {
      await check()
      return 'ok'
    } catch {
      return 'failed'
    }
  })()
  try {
    return await Promise.race([asked, deadline])
  } finally {
    clearTimeout(timer)
  }
}
