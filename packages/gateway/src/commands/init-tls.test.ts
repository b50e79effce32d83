import { X509Certificate } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { temporaryFolder, turnpike } from '../../test/test-io.ts'
import { selfSigned } from './self-signed.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function folder(): string {
  const made = temporaryFolder()
  folders.push(made)
  return made
}

describe('turnpike init --tls', () => {
  it('writes a pair that the configuration uses, the key for its owner alone', async () => {
    const cwd = folder()
    const { code, out } = await turnpike(cwd, ['init', '--tls'])
    expect(code).toBe(0)
    expect(out).toContain('Wrote turnpike.yaml, turnpike.key, turnpike.crt and turnpike.crt.key.')
    expect(statSync(join(cwd, 'turnpike.crt.key')).mode & 0o777).toBe(0o600)
    const certificate = new X509Certificate(readFileSync(join(cwd, 'turnpike.crt')))
    expect(certificate.verify(certificate.publicKey)).toBe(true)
    for (const host of ['localhost']) expect(certificate.checkHost(host)).toBe(host)
    for (const address of ['127.0.0.1', '::1']) expect(certificate.checkIP(address)).toBe(address)
    expect(certificate.checkHost('example.com')).toBeUndefined()
    const days = (Date.parse(certificate.validTo) - Date.now()) / 86_400_000
    expect(days).toBeGreaterThan(390)
    expect(days).toBeLessThan(398)
    const checked = await turnpike(cwd, ['check'])
    expect(checked).toMatchObject({ code: 0 })
    expect(checked.out).toContain('https://127.0.0.1:8402')
  })

  it('touches nothing where one of the files is there', async () => {
    const cwd = folder()
    expect((await turnpike(cwd, ['init', '--tls'])).code).toBe(0)
    rmSync(join(cwd, 'turnpike.yaml'))
    rmSync(join(cwd, 'turnpike.key'))
    const again = await turnpike(cwd, ['init', '--tls'])
    expect(again.code).toBe(1)
    expect(again.err).toContain('turnpike.crt and turnpike.crt.key are already there')
    expect(readdirSync(cwd).sort()).toEqual(['turnpike.crt', 'turnpike.crt.key'])
  })

  it('makes certificates that are good DER for names and addresses of all kinds', () => {
    const { cert } = selfSigned(['a.test', '*.b.test', '2001:db8::1', '::ffff:0:1', '10.0.0.1'], 1)
    expect(new X509Certificate(cert).subjectAltName).toBe(
      'DNS:a.test, DNS:*.b.test, IP Address:2001:DB8:0:0:0:0:0:1, IP Address:0:0:0:0:0:FFFF:0:1, IP Address:10.0.0.1',
    )
  })
})
