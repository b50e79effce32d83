/** Signatures of messages, as Standard Webhooks has them. */

import { createHmac } from 'node:crypto'

/** What is signed. */
export interface SignedMessage {
  readonly id: string
  /** Unix seconds of the attempt. */
  readonly timestamp: number
  readonly body: string
}

/** The value of `webhook-signature`: one `v1,<base64>` for each secret, with spaces between them. */
export function signMessage({ id, timestamp, body }: SignedMessage, secrets: readonly Uint8Array[]): string {
  return secrets
    .map(
      (secret) => `v1,${createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64')}`,
    )
    .join(' ')
}
