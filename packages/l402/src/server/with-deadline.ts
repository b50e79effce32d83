import { isL402Error, L402Error } from '../core/errors.ts'

/**
 * What a Lightning backend comes to within `ms` milliseconds; then its signal is aborted. Throws `lightning_unavailable`
 * or `lightning_invalid` and nothing else, whatever the backend throws.
 */
export async function withDeadline<T>(ms: number, task: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new L402Error('lightning_unavailable', `the Lightning backend did not answer within ${ms} ms`))
      controller.abort()
    }, ms)
  })
  try {
    return await Promise.race([task(controller.signal), late])
  } catch (error) {
    if (isL402Error(error, 'lightning_unavailable') || isL402Error(error, 'lightning_invalid')) throw error
    throw new L402Error('lightning_unavailable', 'the Lightning backend failed', { cause: error })
  } finally {
    clearTimeout(timer)
  }
}
