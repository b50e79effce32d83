/** The load itself: reads {@link LoadOptions} as JSON lines from stdin, answers each with a line of {@link LoadResult}. */
import { createInterface } from 'node:readline'
import type { LoadOptions, LoadResult } from './load.ts'
import { performGrpc } from './load-grpc.ts'
import { performH1 } from './load-h1.ts'
import { performH2 } from './load-h2.ts'

const perform: Readonly<
  Record<NonNullable<LoadOptions['protocol']>, (options: LoadOptions) => Promise<LoadResult>>
> = { h1: performH1, h2: performH2, grpc: performGrpc }

for await (const line of createInterface({ input: process.stdin })) {
  const options = JSON.parse(line) as LoadOptions
  process.stdout.write(`${JSON.stringify(await perform[options.protocol ?? 'h1'](options))}\n`)
}
