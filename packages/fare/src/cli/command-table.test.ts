import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { run } from '../main.ts'
import { manualPage } from '../man.ts'
import { COMMAND_TABLE } from './command-table.ts'
import { OPTIONS } from './options.ts'
import type { Streams } from './streams.ts'

/** Runs a command line that opens no purse; answers what it wrote. */
async function said(...argv: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  let out = ''
  let err = ''
  const streams: Streams = {
    colour: false,
    out: async (chunk) => {
      out += String(chunk)
      return true
    },
    err: (text) => {
      err += `${text}\n`
    },
  }
  return { code: await run(argv, streams, {}), out, err }
}

describe('the table of commands', () => {
  it('has every command that there is, and every flag of each as the parser knows it', () => {
    expect(COMMAND_TABLE.map(({ name }) => name).sort()).toEqual(Object.keys(OPTIONS).sort())
    for (const { name, groups } of COMMAND_TABLE) {
      const known = OPTIONS[name as keyof typeof OPTIONS] as Record<string, { type: string; short?: string }>
      const shown = groups.flatMap(({ flags }) => flags)
      const taken = Object.keys(known).filter((flag) => flag !== 'help')
      for (const { long, short, value } of shown)
        expect([name, long, short, value !== undefined]).toEqual([
          name,
          long,
          known[long]?.short,
          known[long]?.type === 'string',
        ])
      // Every command takes --sandbox and --json; where they mean nothing they are not shown.
      const missing = taken.filter((flag) => !shown.some(({ long }) => long === flag))
      expect([name, missing.filter((flag) => flag !== 'sandbox' && flag !== 'json')]).toEqual([name, []])
    }
  })

  it('is the help: all of it, or of one command', async () => {
    const all = await said('--help')
    expect(all).toMatchObject({ code: 0, err: '' })
    for (const { name } of COMMAND_TABLE) expect(all.out).toContain(`fare ${name === 'get' ? '[get]' : name}`)
    const one = await said('grant', '--help')
    expect(one.out).toContain('--total 1000sat')
    expect(one.out).not.toContain('--max-redirs')
    expect((await said('help', 'grant')).out).toBe(one.out)
    expect((await said('help')).out).toBe(all.out)
    for (const line of all.out.split('\n')) expect(line.trimEnd()).toBe(line)
  })

  it('is the manual, in which every line that begins with a dot is a macro that it knows', () => {
    const page = manualPage('0.0.0')
    for (const { name, groups } of COMMAND_TABLE) {
      expect(page).toContain(`.SS ${name}`)
      for (const { long } of groups.flatMap(({ flags }) => flags))
        expect(page).toContain(`\\-\\-${long.replaceAll('-', '\\-')}`)
    }
    for (const line of page.split('\n').filter((text) => /^[.']/.test(text)))
      expect(line).toMatch(/^\.(TH|SH|SS|TP|B|br)( |$)/)
  })
})

describe('completions', () => {
  const bash = spawnSync('bash', ['--version']).status === 0

  it.skipIf(!bash)('of bash complete commands, then the actions and flags of one', async () => {
    const { out } = await said('completions', 'bash')
    const complete = (...words: readonly string[]): string[] => {
      const script = `${out}\nCOMP_WORDS=(fare ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; _fare; printf '%s\\n' "\${COMPREPLY[@]}"`
      const ran = spawnSync('bash', ['--norc', '-c', script], { encoding: 'utf8' })
      expect(ran.stderr).toBe('')
      return ran.stdout.trim().split('\n')
    }
    expect(complete('pay')).toEqual(['payments'])
    expect(complete('tokens', 'att')).toEqual(['attenuate'])
    expect(complete('grant', '--t')).toEqual(['--total', '--task'])
    expect(complete('--sandbox', 'get', '--max-')).toEqual([
      '--max-redirs',
      '--max-time',
      '--max-unpacked',
      '--max-unpack-ratio',
    ])
  })

  it('are there for zsh and fish with every command, and for no other shell', async () => {
    for (const shell of ['zsh', 'fish']) {
      const { code, out } = await said('completions', shell)
      expect(code).toBe(0)
      for (const { name } of COMMAND_TABLE) expect(out).toContain(name)
    }
    expect(await said('completions', 'tcsh')).toMatchObject({ code: 2, out: '' })
    expect(await said('completions', 'constructor')).toMatchObject({ code: 2, out: '' })
  })
})

describe('schemas', () => {
  it('are JSON Schema, all together or one by name', async () => {
    const { $defs } = JSON.parse((await said('schema')).out) as { $defs: Record<string, object> }
    expect(Object.keys($defs)).toContain('event')
    const { $schema, ...get } = JSON.parse((await said('schema', 'get')).out) as { $schema: string }
    expect($schema).toContain('2020-12')
    expect($defs['get']).toEqual(get)
    expect(await said('schema', 'nothing')).toMatchObject({
      code: 2,
      err: expect.stringContaining('tokens-list'),
    })
  })
})
