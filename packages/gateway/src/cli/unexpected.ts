import { describeError } from '../log.ts'

/** A fault of this program. Its message may quote anything, so only its kind and place are shown (rule C10). */
export function unexpectedFault(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  const place = stack.split('\n').filter((line) => /^\s+at /.test(line))
  const lines = [
    `turnpike: unexpected fault (${describeError(error)}); please report it.`,
    ...place.slice(0, 8),
  ]
  return `${lines.join('\n')}\n`
}
