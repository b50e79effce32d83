import { Metadata, type StatusObject } from '@grpc/grpc-js'
import type { HeaderLines } from '../../core/header-lines.ts'
import type { WholeAnswer } from '../../server/whole-answer.ts'

const INVALID_ARGUMENT = 3

/** What is answered in a method's place, as the status of a call without a message ("Trailers-Only", protocol §1). */
export function answerStatus({ headers }: WholeAnswer): StatusObject {
  const metadata = new Metadata()
  let code: number | undefined
  let details = 'the request cannot be read'
  for (let i = 0; i < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase()
    const value = headers[i + 1] as string
    if (name === 'grpc-status') code = Number(value)
    else if (name === 'grpc-message') details = value
    else if (name !== 'content-type') metadata.add(name, value)
  }
  return { code: code ?? INVALID_ARGUMENT, details, metadata }
}

/** A call's metadata as header lines. Idempotency keys are left out: nothing is kept of calls. */
export function metadataLines(metadata: Metadata): HeaderLines {
  const lines = ['content-type', 'application/grpc']
  for (const [name, values] of Object.entries(metadata.toJSON()))
    if (name !== 'idempotency-key' && name !== 'content-type')
      for (const value of values) if (typeof value === 'string') lines.push(name, value)
  return lines
}

/** Address without port. */
export function addressOf(peer: string): string {
  const colon = peer.lastIndexOf(':')
  return (colon < 0 ? peer : peer.slice(0, colon)).replace(/^\[|\]$/g, '')
}
