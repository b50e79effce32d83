import { expect, it } from 'vitest'
import { OPTIONS, parseOptions } from './options.ts'
import { UsageError } from './usage-error.ts'

it.each([
  [
    ['--max', '-1sat'],
    '--max: expected a value, got another option; one that begins with a dash is written --max=-…',
  ],
  [['-o', '-i'], '-o: expected a value, got another option; one that begins with a dash is written -o-…'],
  [['--max'], "Option '--max <value>' argument missing"],
  [['--bogus'], "Unknown option '--bogus'"],
])('says in one line what is wrong with %j', (args, message) => {
  expect(() => parseOptions(args, OPTIONS.get)).toThrow(new UsageError(message))
})
