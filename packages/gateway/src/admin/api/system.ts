/** Figures, events, keys, webhooks, the audit log, reload and drain. */

import type { HourOfSales } from '@turnpike/l402/server'
import { z } from 'zod'
import { bodyOfEvent } from './live.ts'
import { type Operation, operation, problem } from './operation.ts'
import {
  auditSchema,
  deadLetterSchema,
  keySchema,
  pageOf,
  pageQuery,
  redeliveryBody,
  seriesSchema,
  shownTime,
  spanQuery,
  statsSchema,
  webhooksSchema,
} from './schemas.ts'

const DAY_MS = 86_400_000
const HEARTBEAT_MS = 15_000
const keyParam = { pattern: /^[A-Za-z0-9_-]{1,64}$/, expected: 'the id of a key' } as const
const NOT_AVAILABLE = problem(
  503,
  'not_available',
  'this gateway was started in a way that does not let it be changed',
)

/** The other operations. */
export const systemOperations: readonly Operation[] = [
  operation({
    id: 'stats',
    method: 'GET',
    path: '/stats',
    scope: 'read',
    summary: 'What was sold in a span of time, and what was counted since the start.',
    query: spanQuery.omit({ step: true }),
    answers: { 200: statsSchema },
    async handle({ query, target }) {
      const span = spanOf(query)
      if (span === undefined) return BAD_SPAN
      const hours = await hoursIn(target.journal, span, query.service)
      const services = summed(hours, () => 0)
      return {
        status: 200,
        body: {
          startedAt: shownTime(target.startedAtMs),
          from: shownTime(span.fromMs),
          to: shownTime(span.toMs),
          sales: services.reduce((sum, { sales }) => sum + sales, 0),
          amountMsat: services.reduce((sum, { amountMsat }) => sum + amountMsat, 0),
          services: services.map(({ service, route, sales, amountMsat }) => ({
            service,
            route,
            sales,
            amountMsat,
          })),
          counters: await target.counters(),
        },
      }
    },
  }),
  operation({
    id: 'series',
    method: 'GET',
    path: '/series',
    scope: 'read',
    summary: 'What was sold by hour or day (UTC). Intervals without a sale are left out.',
    query: spanQuery,
    answers: { 200: seriesSchema },
    async handle({ query, target }) {
      const span = spanOf(query)
      if (span === undefined) return BAD_SPAN
      const { step } = query
      const hours = await hoursIn(target.journal, span, query.service)
      const points = summed(hours, ({ hourMs }) =>
        step === 'day' ? Math.floor(hourMs / DAY_MS) * DAY_MS : hourMs,
      )
      return {
        status: 200,
        body: {
          from: shownTime(span.fromMs),
          to: shownTime(span.toMs),
          step,
          points: points.map(({ atMs, ...point }) => ({ at: shownTime(atMs), ...point })),
        },
      }
    },
  }),
  operation({
    id: 'events',
    method: 'GET',
    path: '/events',
    scope: 'read',
    summary: 'What happens at this gateway from now on, as server-sent events.',
    answers: { 200: 'stream' },
    handle({ target }) {
      return {
        status: 200,
        stream(send) {
          const heartbeat = setInterval(() => send(': alive\n\n'), HEARTBEAT_MS).unref()
          const off = target.events.watch((event) => {
            const { id, type, data } = bodyOfEvent(event)
            send(`${id === undefined ? '' : `id: ${id}\n`}event: ${type}\ndata: ${data}\n\n`)
          })
          if (off === undefined) clearInterval(heartbeat)
          else send(': welcome\n\n')
          return off === undefined
            ? undefined
            : () => {
                clearInterval(heartbeat)
                off()
              }
        },
      }
    },
  }),
  operation({
    id: 'listKeys',
    method: 'GET',
    path: '/keys',
    scope: 'read',
    summary: 'The master keys: which makes new credentials, which open; never a key itself.',
    answers: { 200: z.strictObject({ items: z.array(keySchema) }) },
    handle({ target: { control } }) {
      if (control === undefined) return NOT_AVAILABLE
      return { status: 200, body: { items: control.keys().map(shownKey) } }
    },
  }),
  operation({
    id: 'rotateKey',
    method: 'POST',
    path: '/keys',
    scope: 'write',
    summary: 'Makes a new master key and puts it in force; the others go on opening what they made.',
    answers: { 201: keySchema },
    async handle({ target: { control } }) {
      if (control === undefined) return NOT_AVAILABLE
      return { status: 201, body: shownKey(await control.rotateKey()) }
    },
  }),
  operation({
    id: 'retireKey',
    method: 'POST',
    path: '/keys/{id}/retirement',
    scope: 'write',
    summary: 'Takes a key out of use: what was sold under it stops opening, for good for its buyers.',
    params: { id: keyParam },
    body: z.strictObject({
      confirm: z.literal(true, { error: () => 'true: everything that was sold under it stops opening' }),
    }),
    answers: { 200: keySchema },
    subject: ({ params }) => params['id'] ?? '',
    async handle({ params, target: { control } }) {
      if (control === undefined) return NOT_AVAILABLE
      const id = params['id'] ?? ''
      if (!control.keys().some((key) => key.id === id))
        return problem(404, 'unknown_key', 'there is no such key')
      await control.retireKey(id)
      const key = control.keys().find((each) => each.id === id)
      return key === undefined
        ? problem(404, 'unknown_key', 'there is no such key')
        : { status: 200, body: shownKey(key) }
    },
  }),
  operation({
    id: 'reload',
    method: 'POST',
    path: '/reload',
    scope: 'write',
    summary: 'Reads configuration and keys again, as HUP does; a bad file changes nothing.',
    answers: { 200: z.strictObject({ reloaded: z.literal(true), restartOnly: z.array(z.string()) }) },
    async handle({ who, target: { control, events } }) {
      if (control === undefined) return NOT_AVAILABLE
      const restartOnly = await control.reload()
      events.emit({ kind: 'configuration', atMs: Date.now(), by: who.name })
      return { status: 200, body: { reloaded: true, restartOnly } }
    },
  }),
  operation({
    id: 'drain',
    method: 'POST',
    path: '/drain',
    scope: 'write',
    summary: 'Takes no more connections, lets what runs finish, and ends the gateway, as TERM does.',
    answers: { 202: z.strictObject({ draining: z.literal(true) }) },
    handle({ target: { control } }) {
      if (control === undefined) return NOT_AVAILABLE
      // The answer first: the listener ends with the gateway.
      setTimeout(() => control.drain(), 100)
      return { status: 202, body: { draining: true } }
    },
  }),
  operation({
    id: 'audit',
    method: 'GET',
    path: '/audit',
    scope: 'read',
    summary: 'What was changed through this API, by whom, the newest first.',
    query: pageQuery,
    answers: { 200: pageOf(auditSchema) },
    async handle({ query: { limit, cursor }, target }) {
      const page = await target.journal.audits({
        limit: Number(limit),
        ...(cursor === undefined ? {} : { cursor }),
      })
      const items = page.items.map(({ atMs, ...entry }) => ({ at: shownTime(atMs), ...entry }))
      return { status: 200, body: { items, next: page.next } }
    },
  }),
  operation({
    id: 'webhooks',
    method: 'GET',
    path: '/webhooks',
    scope: 'read',
    summary: 'Receivers of webhooks, and what waits for them.',
    answers: { 200: webhooksSchema },
    async handle({ target }) {
      const receivers = [...target.receivers()].map(([name, { url, events }]) => ({
        name,
        url: shownUrl(url),
        events,
      }))
      return { status: 200, body: { ...(await target.journal.outbox()), receivers } }
    },
  }),
  operation({
    id: 'deadLetters',
    method: 'GET',
    path: '/dead-letters',
    scope: 'read',
    summary: 'Messages that were given up, the newest first.',
    query: pageQuery,
    answers: { 200: pageOf(deadLetterSchema) },
    async handle({ query: { limit, cursor }, target }) {
      const page = await target.journal.deadLetters({
        limit: Number(limit),
        ...(cursor === undefined ? {} : { cursor }),
      })
      const receivers = target.receivers()
      const items = page.items.map(
        ({ eventId, receiver, type, tokenId, createdAtMs, diedAtMs, attempts, why }) => {
          const url = receivers.get(receiver)?.url
          return {
            id: eventId,
            receiver,
            url: url === undefined ? null : shownUrl(url),
            type,
            tokenId,
            createdAt: shownTime(createdAtMs),
            diedAt: shownTime(diedAtMs),
            attempts,
            why,
          }
        },
      )
      return { status: 200, body: { items, next: page.next } }
    },
  }),
  operation({
    id: 'redeliver',
    method: 'POST',
    path: '/dead-letters/redeliveries',
    scope: 'write',
    summary: 'Sends a message again that was given up.',
    body: redeliveryBody,
    answers: { 202: z.strictObject({ queued: z.literal(true) }) },
    subject: ({ body }) => body.id,
    async handle({ body: { id, receiver }, target }) {
      const found = await target.journal.redeliver(id, { receiver, nowMs: Date.now() })
      if (!found) return problem(404, 'unknown_message', 'no such message was given up')
      target.wakeDeliveries()
      return { status: 202, body: { queued: true } }
    },
  }),
]

const BAD_SPAN = problem(400, 'bad_request', 'expected "from" before "to", at most 400 days apart')

interface Span {
  readonly fromMs: number
  readonly toMs: number
}

function spanOf({ from, to }: { from?: string | undefined; to?: string | undefined }): Span | undefined {
  const toMs = to === undefined ? Date.now() : Date.parse(to)
  const fromMs = from === undefined ? toMs - DAY_MS : Date.parse(from)
  return fromMs >= 0 && fromMs < toMs && toMs - fromMs <= 400 * DAY_MS ? { fromMs, toMs } : undefined
}

/** Whole hours: the one that the span begins in counts. */
async function hoursIn(
  journal: { hours(span: Span): Promise<readonly HourOfSales[]> },
  { fromMs, toMs }: Span,
  service: string | undefined,
): Promise<readonly HourOfSales[]> {
  const hours = await journal.hours({ fromMs: Math.floor(fromMs / 3_600_000) * 3_600_000, toMs })
  return service === undefined ? hours : hours.filter((hour) => hour.service === service)
}

interface Point {
  readonly atMs: number
  readonly service: string
  readonly route: string
  sales: number
  amountMsat: number
}

function summed(hours: readonly HourOfSales[], timeOf: (hour: HourOfSales) => number): readonly Point[] {
  const points = new Map<string, Point>()
  for (const hour of hours) {
    const { service, route } = hour
    const atMs = timeOf(hour)
    const key = JSON.stringify([atMs, service, route])
    const point = points.get(key) ?? { atMs, service, route, sales: 0, amountMsat: 0 }
    point.sales += hour.sales
    point.amountMsat += Number(hour.amountMsat)
    points.set(key, point)
  }
  return [...points.values()]
}

/** The query of an address may hold a key. */
function shownUrl(url: string): string {
  const { origin, pathname } = new URL(url)
  return origin + pathname
}

function shownKey({
  id,
  createdAtMs,
  state,
}: {
  id: string
  createdAtMs: number | null
  state: 'mints' | 'opens' | 'retired'
}): z.infer<typeof keySchema> {
  return { id, createdAt: createdAtMs === null ? null : shownTime(createdAtMs), state }
}
