const bytes = (n: number): string => `\\x${n.toString(16).padStart(2, '0')}`.repeat(32)
const use = (n: number, amount: string): string => `${bytes(n)}\\x0${amount.length}${amount}`

/**
 * Books as version 1 has written them, its process killed, as commands for `redis-cli`. Counter 1 had 7 uses committed, 2
 * being served and 10 reserved; counter 2 nearly all that 64 bits hold, by the same three; counter 3 had 5 reserved.
 * Payments 1 and 2 are recorded; token 120 and payment 21 revoked.
 */
export function version1Books(prefix: string): string {
  const owner = '8ce817f842f15d89'
  return `
HSET {${prefix}}:meta version 1 instance f9632f0603b78194809e812ae81a52cb
HSET {${prefix}}:owners ${owner} 9
HSET {${prefix}}:counters "${bytes(1)}" 19
HSET {${prefix}}:counters "${bytes(2)}" 9223372036854775007
HSET {${prefix}}:counters "${bytes(3)}" 5
HSET {${prefix}}:redemptions "${bytes(1)}" "1750000000000 ${bytes(101)}wetter-\\xc3\\xbc"
HSET {${prefix}}:redemptions "${bytes(2)}" "1750000000000 ${bytes(102)}wetter-\\xc3\\xbc"
HSET {${prefix}}:reservations ${owner}000000000001 "S${use(1, '2')}${use(2, '3')}"
HSET {${prefix}}:reservations ${owner}000000000002 "R${use(1, '10')}${use(2, '4')}${use(3, '5')}"
HSET {${prefix}}:revoked "t${bytes(120)}" 1750000000000
HSET {${prefix}}:revoked "p${bytes(21)}" 1750000000000
RPUSH {${prefix}}:revocations t${'78'.repeat(32)}
RPUSH {${prefix}}:revocations p${'15'.repeat(32)}
`
}
