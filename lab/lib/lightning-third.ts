/** A third lnd behind the seller's, so that payments to it cost a routing fee. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, vi } from 'vitest'
import { nodeFetch } from '../../packages/l402/src/lightning/lib/node-fetch.ts'
import { type LabNetwork, type LabNode, lab } from './lightning.ts'
import { freePort } from './programs.ts'

/** A node that can be paid through the seller's. */
export type ThirdNode = Pick<LabNode, 'rest' | 'tls' | 'invoiceMacaroon' | 'pubkey'> & {
  close(): Promise<void>
}

const SOON = { timeout: 120_000, interval: 300 }

/** Starts it in the network's folder and gives it a channel of the seller's node, which takes such a share for what goes through. */
export async function startThird(
  { dir, chain, nodes, mine }: LabNetwork,
  { feeMillionths }: { readonly feeMillionths: number },
): Promise<ThirdNode> {
  const { labBinary } = await import(pathToFileURL(join(lab, 'binaries.mjs')).href)
  const home = join(dir, 'third')
  const [p2p, grpc, rest] = [await freePort(), await freePort(), await freePort()]
  const out = openSync(join(dir, 'third.log'), 'a')
  const args = [
    ...[`--lnddir=${home}`, '--noseedbackup', '--bitcoin.regtest', '--bitcoin.node=btcd'],
    ...[`--btcd.rpchost=${chain.rpc}`, `--btcd.rpcuser=${chain.user}`, `--btcd.rpcpass=${chain.pass}`],
    ...[`--btcd.rpccert=${chain.cert}`, `--listen=127.0.0.1:${p2p}`, `--rpclisten=127.0.0.1:${grpc}`],
    ...[`--restlisten=127.0.0.1:${rest}`, '--trickledelay=50', '--debuglevel=error', '--nobootstrap'],
    '--bitcoin.defaultchanconfs=1',
  ]
  const child = spawn(labBinary('lnd'), args, { stdio: ['ignore', out, out] })
  const sweep = (): void => void child.kill('SIGKILL')
  process.on('exit', sweep)
  const tls = join(home, 'tls.cert')
  const macaroons = join(home, 'data/chain/bitcoin/regtest')
  const url = `https://127.0.0.1:${rest}`

  const identity = async (): Promise<string> => {
    const fetch = nodeFetch({ tlsCert: readFileSync(tls, 'utf8') })
    const macaroon = readFileSync(join(macaroons, 'readonly.macaroon')).toString('hex')
    const answer = await fetch(`${url}/v1/getinfo`, { headers: { 'grpc-metadata-macaroon': macaroon } })
    const { identity_pubkey = '' } = (await answer.json()) as { identity_pubkey?: string }
    return identity_pubkey
  }
  const known = (): Promise<string> => identity().catch(() => '')
  await vi.waitFor(async () => expect(await known()).toMatch(/^0[23]/), SOON)
  const pubkey = await known()

  // All coins are the buyer's.
  const { seller, buyer } = nodes
  const { address } = await seller.call('GET', '/v1/newaddress?type=WITNESS_PUBKEY_HASH')
  await buyer.call('POST', '/v1/transactions', { addr: address, amount: '3000000', sat_per_vbyte: '5' })
  await mine(6)
  const funds = async (): Promise<number> =>
    Number((await seller.call('GET', '/v1/balance/blockchain'))['confirmed_balance'])
  await vi.waitFor(async () => expect(await funds()).toBe(3_000_000), SOON)
  await seller.call('POST', '/v1/peers', { addr: { pubkey, host: `127.0.0.1:${p2p}` } })
  const fees = { base_fee: '0', use_base_fee: true, fee_rate: String(feeMillionths), use_fee_rate: true }
  const channel = { node_pubkey_string: pubkey, local_funding_amount: '2000000', ...fees }
  const open = (): Promise<boolean> =>
    seller.call('POST', '/v1/channels', channel).then(
      () => true,
      () => false,
    )
  await vi.waitFor(async () => expect(await open()).toBe(true), SOON)
  await mine(6)
  return {
    rest: url,
    tls,
    invoiceMacaroon: join(macaroons, 'invoice.macaroon'),
    pubkey,
    async close() {
      process.removeListener('exit', sweep)
      if (child.exitCode !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGINT')
      const limit = setTimeout(sweep, 20_000)
      await gone
      clearTimeout(limit)
    },
  }
}
