import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { FAULTS } from './faults.ts'

const packages = fileURLToPath(new URL('../../packages', import.meta.url))

function sources(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !/\.test(?:-suite)?\.ts$/.test(path))
    .map((path) => join(folder, path))
}

it('says of every fault who throws it', () => {
  const layers = readdirSync(join(packages, 'l402/src'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => [name, `l402/src/${name}`] as const)
  const programs = ['gateway', 'fare'].map((name) => [name, `${name}/src`] as const)
  const unsaid = new Set<string>()
  for (const [name, folder] of [...layers, ...programs])
    for (const file of sources(join(packages, folder)))
      for (const [, code] of readFileSync(file, 'utf8').matchAll(/new L402Error\(\s*'(\w+)'/g))
        if (!FAULTS[code as keyof typeof FAULTS]?.thrownBy.includes(name)) unsaid.add(`${code}: ${name}`)
  expect([...unsaid]).toEqual([])
})
