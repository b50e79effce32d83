import type { L402ErrorCode } from '@turnpike/l402'
import { EXIT_MEANINGS, EXIT_OF } from '../../packages/fare/src/exit-codes.ts'
import { EXIT_MEANINGS as TURNPIKE_EXITS } from '../../packages/gateway/src/cli/exit-meanings.ts'
import { PROBLEMS } from '../../packages/gateway/src/proxy/problem-table.ts'
import { problemBody } from '../../packages/l402/src/server/problem.ts'
import { REASONS } from '../../packages/l402/src/server/reason-table.ts'
import { FAULTS } from './faults.ts'
import { table } from './table.ts'

/** The text of `docs/errors.md`. */
export function errorsPage(): string {
  return `# Errors

<!-- Made by \`npm run docs\` from the tables that the code itself answers by; edits here are lost. -->

Refusals are answers, faults are exceptions. Neither ever holds a macaroon, a preimage, a key or a header value.

## What the gate answers

The body is \`application/problem+json\` (RFC 9457): \`code\` is the reason, \`type\` is \`${typeOf('<reason>')}\`, \`detail\` says
what was expected, \`condition\` names the caveat that failed. Every 402 carries a fresh challenge. Who presents a credential of the
Payment scheme, or presents none and is offered that scheme, reads its \`type\`: \`https://paymentauth.org/problems/…\`. To gRPC the
same is said by HTTP 200 with \`grpc-status\` and, for 402, \`grpc-message: payment required\`.

${table(
  ['reason', 'HTTP', 'gRPC', 'title', 'what it means', 'what to do'],
  Object.entries(REASONS).map(([code, { status, grpcStatus, title, meaning, remedy }]) => [
    `\`${code}\``,
    status,
    grpcStatus,
    title,
    meaning,
    remedy,
  ]),
)}

## What is answered before or behind the gate

The same kind of body, without a challenge: no price was asked, or what was paid for was given back. \`paywall()\` answers
\`bad_target\`, \`no_route\`, \`length_required\` and \`body_too_large\`; the others are the gateway’s. gRPC clients get these as
HTTP statuses. An answer that breaks off midway is cut, never ended cleanly; the log calls it \`upstream_broke_off\`.

${table(
  ['code', 'HTTP', 'title', 'what it means', 'what to do'],
  Object.entries(PROBLEMS).map(([code, { status, title, meaning, remedy }]) => [
    `\`${code}\``,
    status,
    title,
    meaning,
    remedy,
  ]),
)}

## Faults of the library

Thrown as \`L402Error\` with a \`code\`; \`isL402Error(error, code)\` recognises them, also those of another copy of the library.
Wrong use of the API is a \`TypeError\` or \`RangeError\` at set-up.

${table(
  ['code', 'thrown by', 'what it means', 'what to do', 'exit code of `fare`'],
  Object.entries(FAULTS).map(([code, { thrownBy, meaning, remedy }]) => [
    `\`${code}\``,
    thrownBy.join(', '),
    meaning,
    remedy,
    EXIT_OF[code as L402ErrorCode],
  ]),
)}

## Exit codes of \`fare\`

The same in every output mode. With \`--json\`, \`error.code\` is one of the endings.

${table(
  ['exit code', 'what it means', 'endings'],
  Object.entries(EXIT_MEANINGS).map(([code, meaning]) => [code, meaning, endingsOf(Number(code))]),
)}

## Exit codes of \`turnpike\`

${table(['exit code', 'what it means'], Object.entries(TURNPIKE_EXITS))}
`
}

function typeOf(code: string): string {
  const { type } = JSON.parse(problemBody({ status: 402, code, title: '', detail: '' })) as { type: string }
  return type
}

function endingsOf(exitCode: number): string {
  const endings = Object.entries(EXIT_OF).filter(([, code]) => code === exitCode)
  return endings.length === 0 ? '—' : endings.map(([ending]) => `\`${ending}\``).join(', ')
}
