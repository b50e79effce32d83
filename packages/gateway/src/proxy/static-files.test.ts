import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compileRoutes } from '@turnpike/l402/server'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  type Books,
  closeAll,
  type Gateway,
  get,
  open,
  passGate,
  proxyRoute,
  sendRaw,
  startGateway,
} from '../../test/proxy/harness.ts'
import type { ProxyRoute } from './routing.ts'

const MODIFIED = new Date('2026-01-02T03:04:05Z')
const LARGE = 5_000_000
let base: string
let folder: string

beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'files-'))
  folder = join(base, 'public')
  mkdirSync(join(folder, 'docs'), { recursive: true })
  mkdirSync(join(folder, '.git'))
  mkdirSync(join(folder, 'bare'))
  writeFileSync(join(base, 'secret.txt'), 'secret')
  writeFileSync(join(folder, 'a b.txt'), 'with a space')
  writeFileSync(join(folder, 'hello.txt'), '0123456789')
  writeFileSync(join(folder, 'empty.json'), '')
  writeFileSync(join(folder, 'blob'), 'x')
  writeFileSync(join(folder, 'large.bin'), Buffer.alloc(LARGE, 'l'))
  writeFileSync(join(folder, 'index.html'), '<p>home')
  writeFileSync(join(folder, 'docs/index.html'), '<p>docs')
  writeFileSync(join(folder, '.env'), 'secret')
  writeFileSync(join(folder, '.git/config'), 'secret')
  symlinkSync('../secret.txt', join(folder, 'out.txt'))
  symlinkSync('..', join(folder, 'up'))
  symlinkSync('hello.txt', join(folder, 'in.txt'))
  symlinkSync('.env', join(folder, 'env.txt'))
  symlinkSync('loop', join(folder, 'loop'))
  execFileSync('mkfifo', [join(folder, 'pipe')])
  utimesSync(join(folder, 'hello.txt'), MODIFIED, MODIFIED)
})
afterAll(() => rmSync(base, { recursive: true }))
afterEach(closeAll)

/** `/paid/*` and `/free/*`, without these first segments, from the folder. */
async function filesGateway(
  options: { books?: Books; files?: string; extra?: Partial<ProxyRoute> } = {},
): Promise<Gateway & { faults: string[] }> {
  const { books = { entries: [] }, files = folder, extra = {} } = options
  const faults: string[] = []
  const specs = ['paid', 'free'].map((name) => ({
    match: `/${name}/*`,
    value: proxyRoute('', `/${name}/*`, { files, stripPrefix: `/${name}`, ...extra }),
  }))
  const gateway = await startGateway({
    routing: [{ routes: compileRoutes(specs) }],
    gate: passGate(books),
    hooks: { fault: (code) => faults.push(code) },
  })
  return { ...gateway, faults }
}

describe('static files', () => {
  it('are served with type, length, validators and ranges, and charged like any other answer', async () => {
    const books: Books = { entries: [] }
    const { port } = await filesGateway({ books })
    const answer = await get(port, '/paid/hello.txt?v=1')
    expect(answer).toMatchObject({ status: 200, body: '0123456789' })
    for (const line of [
      'Content-Type: text/plain; charset=utf-8',
      'Content-Length: 10',
      'Accept-Ranges: bytes',
      'Last-Modified: Fri, 02 Jan 2026 03:04:05 GMT',
      'RateLimit: "calls";r=4',
    ]) {
      expect(answer.head).toContain(line)
    }
    expect(answer.head).toMatch(/\r\nETag: "[0-9a-z]+-[0-9a-z]+"\r\n/)
    expect(books.entries).toEqual(['serve', 'commit'])
  })

  it.each([
    ['/a%20b.txt', 'text/plain; charset=utf-8', 'with a space'],
    ['/empty.json', 'application/json; charset=utf-8', ''],
    ['/blob', 'application/octet-stream', 'x'],
    ['/', 'text/html; charset=utf-8', '<p>home'],
    ['/docs/', 'text/html; charset=utf-8', '<p>docs'],
    ['/in.txt', 'text/plain; charset=utf-8', '0123456789'],
  ])('%s is %s', async (path, type, body) => {
    const { port } = await filesGateway()
    const answer = await get(port, `/free${path}`)
    expect(answer).toMatchObject({ status: 200, body })
    expect(answer.head).toContain(`Content-Type: ${type}\r\n`)
    const head = await sendRaw(port, `HEAD /free${path} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n`)
    expect(head).toMatchObject({ status: 200, body: '' })
    expect(head.head).toContain(`Content-Length: ${body.length}`)
  })

  it.each([
    ['nothing there', '/nothing.txt'],
    ['a dot file', '/.env'],
    ['a file in a dot folder', '/.git/config'],
    ['an encoded dot file', '/%2Eenv'],
    ['a link out of the folder', '/out.txt'],
    ['a link to the folder above', '/up/secret.txt'],
    ['a link to a dot file', '/env.txt'],
    ['a link to itself', '/loop'],
    ['a pipe', '/pipe'],
    ['a file as a folder', '/hello.txt/'],
    ['below a file', '/hello.txt/x'],
    ['a folder without an index', '/bare/'],
    ['a folder without an index or slash', '/bare'],
    ['bytes that are no UTF-8', '/%FF'],
    ['a name that is too long', `/${'n'.repeat(300)}`],
  ])('%s is 404, and the use is given back', async (_, path) => {
    const books: Books = { entries: [] }
    const { port, faults } = await filesGateway({ books })
    const answer = await get(port, `/paid${path}`)
    expect(answer.status).toBe(404)
    expect(answer.body).toContain('"code":"no_file"')
    expect(answer.body).not.toContain('secret')
    expect(books.entries).toEqual(['release'])
    expect(faults).toEqual([])
  })

  it.each(['/../secret.txt', '/docs/../../secret.txt', '/%2e%2e/secret.txt'])(
    'never leave the folder by %s',
    async (path) => {
      const { port } = await filesGateway()
      const answer = await get(port, `/free${path}`)
      expect(answer.status).toBe(404)
      expect(answer.body).not.toContain('secret"')
    },
  )

  it('an encoded slash is no separator, even where the route takes it', async () => {
    const { port } = await filesGateway({ extra: { allowEncodedSlash: true } })
    expect((await get(port, '/free/docs%2Findex.html')).status).toBe(404)
  })

  it('a folder without its slash is redirected, relative to where the client sees it, for nothing', async () => {
    const books: Books = { entries: [] }
    const { port } = await filesGateway({ books })
    const answer = await get(port, '/paid/docs?a=1')
    expect(answer.status).toBe(308)
    expect(answer.head).toContain('Location: ./docs/?a=1\r\n')
    expect(books.entries).toEqual(['release'])
  })

  it('are not written: other methods are 405 and charged nothing', async () => {
    const books: Books = { entries: [] }
    const { port } = await filesGateway({ books })
    const answer = await sendRaw(
      port,
      'PUT /paid/hello.txt HTTP/1.1\r\nHost: g\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi',
    )
    expect(answer.status).toBe(405)
    expect(answer.head).toContain('Allow: GET, HEAD, OPTIONS')
    expect(books.entries).toEqual(['release'])
  })

  it('are served below a prefix', async () => {
    const { port } = await filesGateway({ extra: { upstream: { origin: '', basePath: '/docs' } } })
    expect((await get(port, '/free/index.html')).body).toBe('<p>docs')
  })

  it('a folder that is exchanged is served from the next request on; one that is gone is a fault', async () => {
    const books: Books = { entries: [] }
    const link = join(base, 'current')
    symlinkSync('public', link)
    const { port, faults } = await filesGateway({ books, files: link })
    expect((await get(port, '/free/hello.txt')).status).toBe(200)
    mkdirSync(join(base, 'release'))
    writeFileSync(join(base, 'release/hello.txt'), 'new')
    symlinkSync('release', join(base, 'next'))
    renameSync(join(base, 'next'), link)
    expect((await get(port, '/free/hello.txt')).body).toBe('new')
    rmSync(link)
    expect((await get(port, '/paid/hello.txt')).status).toBe(500)
    expect(books.entries).toEqual(['release'])
    expect(faults).toEqual(['internal_error'])
  })
})

describe('conditions on files', () => {
  const tagOf = (head: string): string => /ETag: (".*?")/.exec(head)?.[1] ?? 'none'
  const later = 'Sat, 03 Jan 2026 00:00:00 GMT'
  const earlier = 'Thu, 01 Jan 2026 00:00:00 GMT'

  it.each([
    ['If-None-Match: TAG', 304],
    ['If-None-Match: "other", W/TAG', 304],
    ['If-None-Match: *', 304],
    ['If-None-Match: "other"', 200],
    [`If-None-Match: "other"\r\nIf-Modified-Since: ${later}`, 200],
    [`If-Modified-Since: ${MODIFIED.toUTCString()}`, 304],
    [`If-Modified-Since: ${earlier}`, 200],
    ['If-Modified-Since: never', 200],
    ['If-Match: TAG', 200],
    ['If-Match: W/TAG', 412],
    ['If-Match: "other"', 412],
    [`If-Unmodified-Since: ${later}`, 200],
    [`If-Unmodified-Since: ${earlier}`, 412],
  ])('%s: %i', async (line, status) => {
    const { port } = await filesGateway()
    const tag = tagOf((await get(port, '/free/hello.txt')).head)
    const answer = await get(port, '/free/hello.txt', [line.replace('TAG', tag)])
    expect(answer.status).toBe(status)
    if (status === 304) expect(answer.body).toBe('')
  })

  it.each([
    ['bytes=2-4', 206, '234', 'bytes 2-4/10'],
    ['bytes=7-', 206, '789', 'bytes 7-9/10'],
    ['bytes=-2', 206, '89', 'bytes 8-9/10'],
    ['bytes=0-99', 206, '0123456789', 'bytes 0-9/10'],
    ['bytes=-99', 206, '0123456789', 'bytes 0-9/10'],
    ['bytes=10-', 416, undefined, 'bytes */10'],
    ['bytes=-0', 416, undefined, 'bytes */10'],
    ['bytes=4-2', 200, '0123456789', undefined],
    ['bytes=0-1,3-4', 200, '0123456789', undefined],
    ['bytes=-', 200, '0123456789', undefined],
    ['lines=1-2', 200, '0123456789', undefined],
  ])('Range: %s is %i', async (range, status, body, contentRange) => {
    const books: Books = { entries: [] }
    const { port } = await filesGateway({ books })
    const answer = await get(port, '/paid/hello.txt', [`Range: ${range}`])
    expect(answer.status).toBe(status)
    if (body !== undefined) expect(answer.body).toBe(body)
    if (contentRange === undefined) expect(answer.head).not.toContain('Content-Range')
    else expect(answer.head).toContain(`Content-Range: ${contentRange}\r\n`)
    expect(books.entries).toEqual(status === 416 ? ['release'] : ['serve', 'commit'])
  })

  it('If-Range: a part of the same file, the whole of another', async () => {
    const { port } = await filesGateway()
    const tag = tagOf((await get(port, '/free/hello.txt')).head)
    const ask = async (condition: string): Promise<number> =>
      (await get(port, '/free/hello.txt', ['Range: bytes=0-0', `If-Range: ${condition}`])).status
    expect(await ask(tag)).toBe(206)
    expect(await ask(MODIFIED.toUTCString())).toBe(206)
    expect(await ask('"other"')).toBe(200)
    expect(await ask(later)).toBe(200)
  })
})

describe('a large file', () => {
  it('comes whole, and stops with a client that leaves', async () => {
    const books: Books = { entries: [] }
    const { port, dataPlane } = await filesGateway({ books })
    expect((await get(port, '/paid/large.bin')).body.length).toBe(LARGE)
    expect(books.entries.splice(0)).toEqual(['serve', 'commit'])
    const socket = open(port)
    socket.write('GET /paid/large.bin HTTP/1.1\r\nHost: g\r\n\r\n')
    await new Promise((resolve) => socket.once('data', resolve))
    socket.pause()
    socket.destroy()
    await vi.waitFor(() => expect(dataPlane.inFlight()).toBe(0))
    // Served from the first byte.
    await vi.waitFor(() => expect(books.entries).toEqual(['serve', 'commit']))
  })
})
