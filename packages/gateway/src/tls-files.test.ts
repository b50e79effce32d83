import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { temporaryFolder } from '../test/test-io.ts'
import { selfSigned } from './commands/self-signed.ts'
import type { TlsMaterial } from './proxy/index.ts'
import { type TlsWatch, watchTls } from './tls-files.ts'

let folder = ''
let watch: TlsWatch | undefined
afterEach(() => {
  watch?.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('certificate files', () => {
  it('are read again when they change; a broken pair is told, and the next good one taken', async () => {
    folder = temporaryFolder()
    const [certFile, keyFile] = [join(folder, 'a.crt'), join(folder, 'a.key')]
    const write = (pair: { cert: string; key: string }): void => {
      writeFileSync(`${certFile}.new`, pair.cert)
      writeFileSync(`${keyFile}.new`, pair.key)
      renameSync(`${certFile}.new`, certFile)
      renameSync(`${keyFile}.new`, keyFile)
    }
    const pairs = [selfSigned(['a'], 1), selfSigned(['b'], 1), selfSigned(['c'], 1)]
    const [first, second, third] = pairs
    if (first === undefined || second === undefined || third === undefined) throw new Error('three are made')
    write(first)
    const renewed: TlsMaterial[] = []
    const failed: string[] = []
    watch = watchTls({
      renewed: (material) => renewed.push(material),
      failed: (message) => failed.push(message),
      intervalMs: 20,
    })
    watch.follow({ certFile, keyFile, clientCaFile: undefined, clientAuth: undefined, minVersion: '1.2' })
    expect(String(renewed.at(-1)?.cert)).toBe(first.cert)
    write(second)
    await expect.poll(() => String(renewed.at(-1)?.cert)).toBe(second.cert)
    failed.length = 0
    write({ cert: second.cert, key: first.key })
    await expect
      .poll(() => failed.at(-1))
      .toBe('tls.keyFile: not the key of the certificate, expected PEM texts that belong together')
    expect(failed.join('')).not.toContain('PRIVATE')
    write(third)
    await expect.poll(() => String(renewed.at(-1)?.cert)).toBe(third.cert)
  })
})
