/** What was typed makes no sense: exit 2, and nothing has been sent. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}
