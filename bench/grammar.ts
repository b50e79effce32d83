/**
 * Header grammar against hostile text: how the time grows from 1 KiB to 1 MiB. Doubling the text doubles a linear time
 * and quadruples a quadratic one; readers that stop at a bound stay near 1. CPU time, medians. Exit code 1 when sixteen
 * times the text takes more than 64 times as long (linear 16, quadratic 256).
 */
import { findL402Challenges } from '../packages/l402/src/core/challenge.ts'
import { credentialText, isCredentialLine, parseCredentials } from '../packages/l402/src/core/credential.ts'
import { hostileText } from '../packages/l402/test/hostile-text.ts'
import { median, printTable } from './lib/stats.ts'

const KIB = 1024
const sizes = [1, 4, 16, 64, 256, 512, 1024].map((kib) => kib * KIB)
const rounds = 11
const sampleMicros = 2000
const steepest = 64
/** Below this the clock says more about the machine than about the reader. */
const worthJudgingMicros = 200

function presented(name: string): (text: string) => void {
  return (text) => {
    const line = [name, text]
    credentialText(line)
    parseCredentials(line)
    isCredentialLine(name, text)
  }
}

const readers: Record<string, (text: string) => unknown> = {
  'WWW-Authenticate': (text) => findL402Challenges([text]),
  Authorization: presented('Authorization'),
  Macaroon: presented('Macaroon'),
}

/** One flat string: what comes from a socket is not a tree of slices. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}

/** CPU time of one reading, in microseconds: other programs on the machine do not count. */
function sample(read: (text: string) => unknown, text: string): number {
  let runs = 0
  let elapsed = 0
  const start = process.cpuUsage()
  while (elapsed < sampleMicros) {
    for (let i = 0; i < 1 + 20_000 / text.length; i++, runs++) read(text)
    const { user, system } = process.cpuUsage(start)
    elapsed = user + system
  }
  return elapsed / runs
}

/** The median time for each size; the sizes take turns, so that a slow moment hits them alike. */
function timesOf(read: (text: string) => unknown, make: (length: number) => string): number[] {
  const texts = sizes.map((size) => flat(make(size)))
  const samples = texts.map((): number[] => [])
  for (const text of texts) sample(read, text)
  for (let round = 0; round < rounds; round++) {
    for (const [i, text] of texts.entries()) samples[i]?.push(sample(read, text))
  }
  return samples.map(median)
}

function format(micros: number): string {
  return micros >= 1000 ? `${(micros / 1000).toFixed(2)} ms` : `${micros.toFixed(micros >= 10 ? 0 : 2)} µs`
}

const judged: { name: string; doubling: number; growth: number }[] = []
for (const [reader, read] of Object.entries(readers)) {
  const rows = Object.entries(hostileText).map(([input, make]) => {
    const times = timesOf(read, make)
    const at = (size: number): number => times[sizes.indexOf(size)] ?? Number.NaN
    const doubling = at(1024 * KIB) / at(512 * KIB)
    const growth = at(1024 * KIB) / at(64 * KIB)
    if (at(1024 * KIB) >= worthJudgingMicros) judged.push({ name: `${reader}: ${input}`, doubling, growth })
    return [input, ...times.map(format), doubling.toFixed(2)]
  })
  printTable([reader, ...sizes.map((size) => `${size / KIB} KiB`), '1 MiB / 512 KiB'], rows)
  console.log()
}

const by = (key: 'doubling' | 'growth') =>
  judged.toSorted((a, b) => b[key] - a[key])[0] ?? { name: 'none', doubling: 0, growth: 0 }
const most = by('doubling')
const steep = by('growth')
console.log(
  `time(1 MiB) / time(512 KiB): median ${median(judged.map(({ doubling }) => doubling)).toFixed(2)}, ` +
    `most ${most.doubling.toFixed(2)} (${most.name})\n` +
    `time(1 MiB) / time(64 KiB): most ${steep.growth.toFixed(1)} (${steep.name}), may be ${steepest}`,
)
if (steep.growth > steepest) process.exitCode = 1
