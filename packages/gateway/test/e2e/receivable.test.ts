/** What the node can receive, told by one process and by several. */

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { ask } from './client.ts'
import { cleanUp, configOf, folderWith, serve } from './program.ts'

let node: Server | undefined
afterEach(async () => {
  await cleanUp()
  node?.closeAllConnections()
  node?.close()
})

/** An Eclair node as far as it is asked here. */
async function startNode(canReceive: () => number): Promise<string> {
  const server = createServer((request, response) => {
    const json =
      request.url === '/getinfo' ? { network: 'regtest' } : [{ canSend: 0, canReceive: canReceive() }]
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(json))
  })
  node = server
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

it.each([1, 2])(
  'is less than the dearest price: a warning with %i processes, and ready',
  { timeout: 60_000 },
  async (workers) => {
    const url = await startNode(() => 9_999)
    const lightning = `{ backend: eclair, url: "${url}", password: "\${PASSWORD}" }`
    const config = configOf({ top: `workers: ${workers}` }).replace('sandbox', lightning)
    const gateway = await serve(folderWith(config), { env: { PASSWORD: 'p'.repeat(20) } })
    const readyz = async (): Promise<unknown> => {
      const { status, body } = await ask(gateway.admin, 'GET', '/readyz')
      return { status, warnings: JSON.parse(body).warnings }
    }
    await expect.poll(readyz).toEqual({
      status: 200,
      warnings: { lightning: 'the node can receive 9999 msat, less than the dearest price of 10 sat' },
    })
    const { body } = await ask(gateway.admin, 'GET', '/metrics')
    expect(body).toMatch(/^turnpike_lightning_receivable_msat 9999$/m)
    expect(gateway.output()).toContain('the node can receive 9999 msat')
  },
)
