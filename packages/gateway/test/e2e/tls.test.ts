import { readFileSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { selfSigned } from '../../src/commands/self-signed.ts'
import { cleanUp, configOf, folderWith, serve } from './program.ts'

afterEach(cleanUp)

/** Whether it is answered, asked for by whoever trusts this certificate; or the code of what went wrong. */
function ask(url: string, ca: string): Promise<unknown> {
  return new Promise((resolve) => {
    get(`${url.replace('127.0.0.1', 'localhost')}/free/x`, { ca, agent: false }, (res) => {
      res.resume()
      resolve('answered')
    }).on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
  })
}

it('a gateway over TLS says so, and takes a new certificate at HUP; a broken one changes nothing', async () => {
  const [first, second] = [selfSigned(['localhost'], 1), selfSigned(['localhost'], 1)]
  const folder = folderWith(configOf({ top: 'tls: { certFile: a.crt, keyFile: a.key }' }))
  const write = (cert: string, key: string): void => {
    writeFileSync(join(folder, 'a.crt'), cert)
    writeFileSync(join(folder, 'a.key'), key)
  }
  write(first.cert, first.key)
  const gateway = await serve(folder)
  expect(gateway.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/)
  expect(JSON.parse(readFileSync(gateway.readyFile, 'utf8')).listen).toEqual([gateway.url])
  await expect.poll(() => gateway.output()).toContain(gateway.url)
  expect(await ask(gateway.url, first.cert)).toBe('answered')
  write(second.cert, second.key)
  gateway.signal('SIGHUP')
  await expect.poll(() => ask(gateway.url, second.cert)).toBe('answered')
  expect(await ask(gateway.url, first.cert)).not.toBe('answered')
  write(second.cert, first.key)
  gateway.signal('SIGHUP')
  await expect.poll(() => gateway.output()).toContain('not the key of the certificate')
  expect(await ask(gateway.url, second.cert)).toBe('answered')
})
