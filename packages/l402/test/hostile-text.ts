/** Text that is hard on header parsers, of any length: each makes a careless one go over the rest again and again. */
export const hostileText: Readonly<Record<string, (length: number) => string>> = {
  commas: repeated(','),
  blanks: repeated(' '),
  'one long word': repeated('a'),
  'words that are schemes': repeated('a,'),
  'words and blanks': repeated('a '),
  'equals signs': repeated('='),
  quotes: repeated('"'),
  'quotes in quotes': repeated('"a"b'),
  backslashes: repeated('\\', 'L402 macaroon="'),
  'quoted-pairs': repeated('\\"', 'L402 macaroon="'),
  'quotes that never close': repeated('a="b,', 'L402 macaroon="M",x="'),
  'one name again and again': repeated('a=b,', 'L402 '),
  'names that are numbers': (length) => cut('L402 ', (i) => `${i}=1,`, length),
  'names that all differ': (length) => cut('L402 ', (i) => `n${i.toString(36)}="v",`, length),
  challenges: repeated('L402 macaroon="AgEE", invoice="lnbc1", '),
  'challenges without a comma': repeated('L402 macaroon="AgEE" invoice="lnbc1" '),
  'almost token68': repeated('a==b ', 'L402 '),
  'tokens before a colon': repeated('AgEE,', 'L402 '),
  colons: repeated(':', 'L402 '),
  'joined credentials': repeated(`, L402 AgEE:${'0'.repeat(64)}`, 'Bearer x'),
  'credentials without a scheme': repeated(`Ag${'A'.repeat(54)}:${'0'.repeat(64)},`),
  'almost macaroons': repeated(`02${'0'.repeat(78)},`),
  'hex digits': repeated('02'),
}

function repeated(part: string, prefix = ''): (length: number) => string {
  return (length) => (prefix + part.repeat(Math.ceil(length / part.length))).slice(0, length)
}

function cut(prefix: string, part: (i: number) => string, length: number): string {
  const parts = [prefix]
  let total = prefix.length
  for (let i = 0; total < length; i++) {
    const next = part(i)
    parts.push(next)
    total += next.length
  }
  return parts.join('').slice(0, length)
}
