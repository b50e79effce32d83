/** Floods, bombs and slow servers: none may cost money, hang a run beyond its time, or fill the memory. */

import { gzipSync } from 'node:zlib'
import type { Attack } from './attack.ts'
import { charge, demand, headerOf } from './scene.ts'

const MiB = 1024 * 1024
const bounded = { abortAfterMs: 1_500, flags: ['--max-time', '1.5'] }
const line = (status: number): string => `HTTP/1.1 ${status} x\r\n`
const raw = (name: string, text: string, ends: Attack['ends'], more: Partial<Attack> = {}): Attack => ({
  name,
  raw: (socket) => socket.end(text),
  ends,
  ...more,
})
/** Writes `chunk` until nobody reads any more. */
function pour(
  socket: {
    write(chunk: Buffer): boolean
    once(event: 'drain', go: () => void): unknown
    destroyed: boolean
  },
  chunk: Buffer,
): void {
  const go = (): void => {
    while (!socket.destroyed) if (!socket.write(chunk)) return void socket.once('drain', go)
  }
  go()
}
const failing = /^(threw|unpayable|served)/

export const httpAttacks: readonly Attack[] = [
  {
    name: 'never answers at all',
    raw: () => {},
    ends: ['threw'],
    ...bounded,
  },
  {
    name: 'sends its status line a letter a second',
    raw: (socket) => {
      const letters = [...line(402)]
      const timer = setInterval(() => socket.write(letters.shift() ?? 'x'), 250)
      socket.once('close', () => clearInterval(timer))
    },
    ends: ['threw'],
    ...bounded,
  },
  {
    name: 'never ends its headers',
    raw: (socket) => {
      socket.write(line(402))
      pour(socket, Buffer.from(`X-Flood: ${'a'.repeat(1000)}\r\n`.repeat(64)))
    },
    ends: ['threw'],
    ...bounded,
  },
  raw(
    'sends twenty thousand headers',
    `${line(402)}${'X-A: b\r\n'.repeat(20_000)}Content-Length: 0\r\n\r\n`,
    [failing],
  ),
  raw('sends a header of a megabyte', `${line(402)}X-A: ${'b'.repeat(MiB)}\r\nContent-Length: 0\r\n\r\n`, [
    'threw',
  ]),
  raw(
    'sends a challenge of a megabyte',
    `${line(402)}WWW-Authenticate: L402 macaroon="${'A'.repeat(MiB)}"\r\nContent-Length: 0\r\n\r\n`,
    ['threw'],
  ),
  raw(
    'sends a hundred early hints first',
    `${'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'.repeat(100)}${line(402)}Content-Length: 0\r\n\r\n`,
    [failing],
  ),
  raw('answers as HTTP/0.9', 'L402 macaroon="x", invoice="y"', ['threw']),
  raw('answers in another protocol', 'SSH-2.0-OpenSSH_9.9\r\n\r\n', ['threw']),
  raw('closes at once', '', ['threw']),
  raw('says two lengths', `${line(402)}Content-Length: 5\r\nContent-Length: 7\r\n\r\nhello`, ['threw']),
  raw(
    'says a length and chunks',
    `${line(402)}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    [failing],
  ),
  raw('sends chunks that are none', `${line(200)}Transfer-Encoding: chunked\r\n\r\nzz\r\nhello`, [failing]),
  raw(
    'folds its challenge over lines',
    `${line(402)}WWW-Authenticate: L402\r\n macaroon="x",\r\n invoice="y"\r\nContent-Length: 0\r\n\r\n`,
    [failing],
  ),
  raw(
    'hides a NUL in its challenge',
    `${line(402)}WWW-Authenticate: L402 macaroon="\0", invoice="y"\r\nContent-Length: 0\r\n\r\n`,
    [failing],
  ),
  {
    name: 'charges with a body that never ends',
    http: (asked, response, scene) => {
      if (asked.paid) return response.end('sunny')
      response.writeHead(402, { 'www-authenticate': headerOf(scene.challenge()) })
      pour(response, Buffer.alloc(65_536))
    },
    ends: ['served 200'],
    allowedMsat: 10_000n,
    abortAfterMs: 10_000,
    flags: ['--max-time', '10'],
  },
  {
    name: 'charges with a body that comes a byte a second',
    http: (asked, response, scene) => {
      if (asked.paid) return response.end('sunny')
      response.writeHead(402, { 'www-authenticate': headerOf(scene.challenge()) })
      const timer = setInterval(() => response.write('.'), 200)
      response.once('close', () => clearInterval(timer))
    },
    ends: ['served 200'],
    allowedMsat: 10_000n,
    abortAfterMs: 10_000,
    flags: ['--max-time', '10'],
  },
  {
    name: 'charges with a bomb of a gigabyte in a megabyte',
    http: (asked, response, scene) =>
      asked.paid
        ? response.end('sunny')
        : demand(response, headerOf(scene.challenge()), {
            headers: { 'content-encoding': 'gzip' },
            body: gzipSync(Buffer.alloc(64 * MiB)).toString('latin1'),
          }),
    ends: ['served 200'],
    allowedMsat: 10_000n,
  },
  {
    name: 'refuses without a challenge and with a body that never ends',
    http: (_, response) => {
      response.writeHead(402)
      pour(response, Buffer.alloc(65_536))
    },
    ends: ['unpayable no_challenge'],
  },
  {
    name: 'answers with bytes that are no gzip, as gzip',
    http: (asked, response, scene) =>
      asked.paid
        ? response.writeHead(200, { 'content-encoding': 'gzip' }).end('sunny')
        : charge(response, scene),
    ends: [/^(served 200|not_served)/],
    allowedMsat: 10_000n,
  },
  {
    name: 'closes the connection after each 402',
    http: (asked, response, scene) =>
      asked.paid
        ? response.end('sunny')
        : demand(response, headerOf(scene.challenge()), { headers: { connection: 'close' } }),
    ends: ['served 200'],
    allowedMsat: 10_000n,
  },
  {
    name: 'says that it upgrades the connection',
    raw: (socket) => socket.end(`${line(101)}Upgrade: l402\r\nConnection: Upgrade\r\n\r\n`),
    ends: [/^(threw|served 101)/],
    ...bounded,
  },
  {
    name: 'asks to be paid by a refresh and a location beside the 402',
    http: (_, response, scene) =>
      response.writeHead(402, { refresh: `0; url=${scene.other}/x`, location: `${scene.other}/x` }).end(),
    ends: ['unpayable no_challenge'],
    check: (scene) => {
      if (scene.asked.some(({ listener }) => listener === 'other')) throw new Error('it was followed')
    },
  },
  {
    name: 'answers with status 999 and a challenge',
    raw: (socket, _, scene) =>
      socket.end(`${line(999)}WWW-Authenticate: ${headerOf(scene.challenge())}\r\nContent-Length: 0\r\n\r\n`),
    ends: [/^(threw|served 999)$/],
  },
]
