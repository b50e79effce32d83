import type * as grpc from '@grpc/grpc-js'
import { findL402Challenges } from '@turnpike/l402'
import { type Program, pay } from '../../packages/gateway/test/e2e/program.ts'
import { callGrpc } from '../../packages/gateway/test/proxy/grpc.ts'

/** Pays for what an unpaid call is refused for; the metadata of paid ones. */
export async function payGrpc(
  client: grpc.Client,
  { admin }: Pick<Program, 'admin'>,
): Promise<Record<string, string>> {
  const { code, trailers } = await callGrpc(client, 'Unary', { parts: ['unpaid'] })
  const lines = [trailers['www-authenticate']].flat().map(String)
  const [challenge] = findL402Challenges(lines)
  if (challenge === undefined) throw new Error(`no challenge in a call that ended with ${code}`)
  return { authorization: `L402 ${challenge.macaroon}:${await pay(admin, challenge.invoice)}` }
}
