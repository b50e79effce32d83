/** Every command and flag in words: help, the manual page and shell completions are all made from this. */

import { walletKinds } from '../config-file.ts'
import { WALLET_FLAGS } from './wallet-options.ts'

/** A flag as it is shown. */
export interface FlagEntry {
  /** Without dashes. */
  readonly long: string
  readonly short?: string
  /** What stands behind it; absent for a switch. */
  readonly value?: string
  readonly text: string
}

/** A command as it is shown. */
export interface CommandEntry {
  readonly name: string
  /** Behind `fare NAME`; one line per form. */
  readonly forms: readonly { readonly usage: string; readonly text: string }[]
  /** Words that may stand first, for completions. */
  readonly actions?: readonly string[]
  readonly groups: readonly { readonly title: string; readonly flags: readonly FlagEntry[] }[]
}

const JSON_FLAG: FlagEntry = { long: 'json', text: 'one object on standard output, in every case' }
const OUTPUT_FILE: FlagEntry = {
  long: 'output',
  short: 'o',
  value: 'FILE',
  text: 'write it to a new file for its owner alone (0600)',
}
const WALLET: FlagEntry = {
  long: 'wallet',
  value: 'NAME',
  text: 'which wallet pays (FARE_WALLET, else the one of fare wallet use)',
}
const SANDBOX: FlagEntry = {
  long: 'sandbox',
  text: 'play money of a gateway started with turnpike serve --sandbox (FARE_SANDBOX_URL, else http://127.0.0.1:8403)',
}

const REQUEST: readonly FlagEntry[] = [
  { long: 'request', short: 'X', value: 'METHOD', text: 'the method; default GET, POST with data' },
  { long: 'header', short: 'H', value: "'Name: value'", text: 'a header; any number' },
  {
    long: 'cookie',
    short: 'b',
    value: 'NAME=VALUE',
    text: 'a cookie; any number, and never to another origin; no other is sent or kept',
  },
  { long: 'data', short: 'd', value: 'DATA|@FILE', text: 'a body; a file loses its line ends' },
  { long: 'data-binary', value: 'DATA|@FILE', text: 'a body, byte for byte' },
  { long: 'head', short: 'I', text: 'HEAD, and show the headers' },
  { long: 'location', short: 'L', text: 'follow redirects; each is decided anew' },
  { long: 'max-redirs', value: 'N', text: 'most redirects; default 10' },
  { long: 'insecure', short: 'k', text: 'do not check certificates' },
  { long: 'max-time', short: 'm', value: 'SECONDS', text: 'end the exchange then; never cuts a payment' },
  {
    long: 'connect-timeout',
    value: 'SECONDS',
    text: 'how long a connection may take; default 60, 0 for ever',
  },
  {
    long: 'response-timeout',
    value: 'SECONDS',
    text: 'how long the server may think before its answer begins; default 600, 0 for ever',
  },
  {
    long: 'idle-timeout',
    value: 'SECONDS',
    text: 'how long an answer may stand still; default 300, 0 for ever',
  },
  { long: 'compressed', text: 'ask for a compressed answer, and unpack it' },
  {
    long: 'max-unpacked',
    value: 'SIZE',
    text: 'most bytes that --compressed unpacks to; default 1GiB, or none',
  },
  {
    long: 'max-unpack-ratio',
    value: 'N',
    text: 'most times its size that --compressed unpacks to; default 200, or none',
  },
  { long: 'http2', text: 'HTTP/2 where the server has it' },
  { long: 'public-only', text: 'no private networks, and no proxies' },
]
const MONEY: readonly FlagEntry[] = [
  {
    long: 'max',
    value: '50sat',
    text: 'most for this run, all purchases and fees together; can only lower the budget; 0 pays nothing',
  },
  { long: 'no-pay', text: 'use what is in the purse, never pay' },
  { long: 'task', value: 'NAME', text: 'tag for the limits of fare budget set --task NAME' },
]
const EVENTS: FlagEntry = {
  long: 'events',
  text: 'what happens, as it happens: one JSON object a line on standard error, the last of type "end"',
}

const TASK: FlagEntry = { long: 'task', value: 'TAG', text: 'tag of at most 64 characters' }
const UNTIL: FlagEntry = { long: 'until', value: '1d|DATE', text: 'when it ends' }

/** The commands, in the order they are shown. */
export const COMMAND_TABLE: readonly CommandEntry[] = [
  {
    name: 'get',
    forms: [{ usage: 'URL [options]', text: 'fetch; pay when it must, within the budget (also fare URL)' }],
    groups: [
      {
        title: 'requests, as with curl',
        flags: [
          ...REQUEST,
          { long: 'output', short: 'o', value: 'FILE', text: 'write the body there' },
          { long: 'remote-name', short: 'O', text: 'write the body to a file named as in the URL' },
          {
            long: 'continue-at',
            short: 'C',
            value: '-',
            text: 'go on where the file of -o or -O ends, if it is still the same',
          },
          { long: 'continue', text: 'the same as -C -' },
          { long: 'include', short: 'i', text: 'show the headers before the body' },
          { long: 'fail', short: 'f', text: 'exit 22 and no body for HTTP status 400 and above' },
          { long: 'silent', short: 's', text: 'say nothing about payments that went well, show no progress' },
          { long: 'no-progress', text: 'no progress bar; there is one on terminals, for files alone' },
        ],
      },
      {
        title: 'money',
        flags: [
          ...MONEY,
          {
            long: 'quote',
            value: 'ID',
            text: 'pay exactly the invoice that fare quote showed; its URL need not be typed again',
          },
          { long: 'pay-again', text: 'buy anew where what was paid is not served' },
          WALLET,
          SANDBOX,
        ],
      },
      { title: 'output', flags: [JSON_FLAG, EVENTS] },
    ],
  },
  {
    name: 'quote',
    forms: [
      { usage: 'URL [options]', text: 'what it would cost, and whether policy would pay; pays nothing' },
    ],
    groups: [{ title: 'options', flags: [...REQUEST, ...MONEY, WALLET, SANDBOX, JSON_FLAG, EVENTS] }],
  },
  {
    name: 'tokens',
    actions: ['list', 'show', 'attenuate', 'import', 'export', 'forget'],
    forms: [
      { usage: 'list | show ID | forget ID', text: 'what was bought' },
      {
        usage: "attenuate ID [--calls 10] [--spend 5ksat] [--until 1h] [--paths '/v1/*'] [--methods GET]",
        text: 'a narrower copy for somebody else, shown once',
      },
      {
        usage: 'import [FILE|FOLDER] [--origin URL] | export [ID…] -o FILE --passphrase-file F',
        text: 'from and to other purses',
      },
    ],
    groups: [
      {
        title: 'options',
        flags: [
          { long: 'calls', value: 'N', text: 'most calls of the copy' },
          { long: 'spend', value: '5ksat', text: 'most the copy may draw from the credit' },
          UNTIL,
          { long: 'paths', value: '/v1/*,…', text: 'paths the copy opens' },
          { long: 'methods', value: 'GET,…', text: 'methods the copy opens' },
          { long: 'service', value: 'NAME', text: 'which service to narrow to, where there are several' },
          {
            long: 'force',
            text: 'hand out conditions that the server does not list as enforced: they may bind nobody',
          },
          {
            long: 'insecure',
            short: 'k',
            text: "do not check the server's certificate when asking for its list",
          },
          OUTPUT_FILE,
          {
            long: 'origin',
            value: 'URL',
            text: 'where an imported credential is good, if it does not say so',
          },
          { long: 'passphrase-file', value: 'FILE', text: 'its first line encrypts and decrypts a bundle' },
          JSON_FLAG,
        ],
      },
    ],
  },
  {
    name: 'wallet',
    actions: ['add', 'list', 'test', 'use', 'remove'],
    forms: [
      {
        usage: 'add NAME --backend B [--url U] [--…-file F]',
        text: `where the money comes from: ${walletKinds()}`,
      },
      { usage: 'list | test [NAME] | use NAME | remove NAME', text: 'what is set up, and which pays' },
    ],
    groups: [
      {
        title: 'options',
        flags: [
          { long: 'backend', value: 'B', text: 'what the wallet is' },
          ...Object.keys(WALLET_FLAGS).map((long) => ({
            long,
            value: 'VALUE',
            text: 'a setting of the backend',
          })),
          { ...SANDBOX, text: 'test the sandbox' },
          JSON_FLAG,
        ],
      },
    ],
  },
  {
    name: 'budget',
    actions: ['show', 'set', 'forgive'],
    forms: [
      { usage: 'show', text: 'limits in force, and what has been spent' },
      {
        usage:
          'set [--host H] [--request 100sat] [--hour 1ksat] [--day 5ksat] [--total 50ksat] [--count N/1d]',
        text: '"none" lifts a limit; also --payee P or --task T instead of --host H',
      },
      {
        usage:
          'set [--approve-above 500sat] [--allow-host H] [--deny-host H] [--allow-payee P] [--deny-payee P] [--price-jump 5] [--unserved 5/1d]',
        text: 'whom to pay, and when to ask or to stop',
      },
      { usage: 'forgive HOST', text: 'pay a host again that took money and did not serve' },
    ],
    groups: [
      {
        title: 'options',
        flags: [
          { long: 'host', value: 'H', text: 'limits of one host, beside those of all' },
          { long: 'request', value: '100sat', text: 'most for one purchase, fee reserve included' },
          { long: 'hour', value: '1ksat', text: 'most in any hour' },
          { long: 'day', value: '5ksat', text: 'most in any day' },
          { long: 'total', value: '50ksat', text: 'most ever' },
          { long: 'count', value: 'N/1d', text: 'most payments in a stretch of time' },
          { long: 'payee', value: 'P', text: 'limits of one node, by its key' },
          { long: 'task', value: 'T', text: 'limits of one tag' },
          { long: 'approve-above', value: '500sat', text: 'ask somebody from this amount on' },
          { long: 'allow-host', value: 'H', text: 'pay these hosts alone; any number' },
          { long: 'deny-host', value: 'H', text: 'never pay this host; any number' },
          { long: 'allow-payee', value: 'P', text: 'pay these nodes alone; any number' },
          { long: 'deny-payee', value: 'P', text: 'never pay this node; any number' },
          { long: 'price-jump', value: '5', text: 'stop at a price so many times the last one' },
          {
            long: 'unserved',
            value: '5/1d',
            text: 'stop at a host that took so many payments and did not serve',
          },
          JSON_FLAG,
        ],
      },
    ],
  },
  {
    name: 'grant',
    actions: ['create', 'list', 'show', 'revoke'],
    forms: [
      {
        usage: 'create --total 1000sat --hosts api.example.com --until 1d [-o FILE]',
        text: 'the right to spend through the daemon; the secret is shown once',
      },
      { usage: 'list | revoke ID', text: 'grants and what was spent under them' },
      { usage: 'show', text: 'what is left of the grant in FARE_GRANT_FILE' },
    ],
    groups: [
      {
        title: 'options',
        flags: [
          { long: 'total', value: '1000sat', text: 'most for all its purchases, fees included' },
          { long: 'request', value: '50sat', text: 'most for one purchase, fee reserve included' },
          { long: 'hosts', value: 'H,…', text: 'where it may fetch and pay; each with a port or none' },
          UNTIL,
          TASK,
          { long: 'daemon', value: 'URL', text: 'where the daemon listens, if not at its socket' },
          OUTPUT_FILE,
          JSON_FLAG,
        ],
      },
    ],
  },
  {
    name: 'daemon',
    forms: [
      {
        usage: '[--listen 127.0.0.1:PORT] [--allow-network CIDR]',
        text: 'fetch and pay for whoever holds a grant; the wallet stays in here',
      },
    ],
    groups: [
      {
        title: 'options',
        flags: [
          WALLET,
          SANDBOX,
          {
            long: 'listen',
            value: '127.0.0.1:PORT',
            text: 'loopback HTTP, where there is no Unix socket',
          },
          {
            long: 'allow-network',
            value: 'CIDR',
            text: "private addresses that names of a grant's hosts may lead to; any number",
          },
          JSON_FLAG,
        ],
      },
    ],
  },
  {
    name: 'payments',
    forms: [{ usage: '[filters] [--csv | --json]', text: 'every purchase and what became of it' }],
    groups: [
      {
        title: 'options',
        flags: [
          { long: 'host', value: 'H', text: 'of one host' },
          { long: 'state', value: 'STATE', text: 'settled, failed, open, not_served …' },
          { long: 'since', value: '7d|DATE', text: 'not before' },
          { long: 'until', value: '1d|DATE', text: 'before' },
          { long: 'task', value: 'TAG', text: 'of one tag' },
          { long: 'min', value: '10sat', text: 'that cost at least so much, fees included' },
          { long: 'limit', value: 'N', text: 'so many at most, newest first; default 100' },
          { long: 'csv', text: 'as CSV (RFC 4180)' },
          JSON_FLAG,
        ],
      },
    ],
  },
  {
    name: 'recover',
    forms: [
      { usage: '', text: 'look up payments whose outcome is unknown, and finish them' },
      { usage: '--write-off ID', text: 'give one up whose wallet is gone: it counts as spent for good' },
    ],
    groups: [
      {
        title: 'options',
        flags: [
          WALLET,
          SANDBOX,
          {
            long: 'write-off',
            value: 'ID',
            text: 'the first digits of its payment hash; asks at the terminal',
          },
          { long: 'yes', text: 'does not ask' },
          JSON_FLAG,
        ],
      },
    ],
  },
  {
    name: 'board',
    forms: [
      {
        usage: '[--listen 127.0.0.1:PORT]',
        text: 'a local read-only page: spend by host and day, and budgets',
      },
    ],
    groups: [
      {
        title: 'options',
        flags: [
          { long: 'listen', value: '127.0.0.1:PORT', text: 'where; default any free port' },
          { ...JSON_FLAG, text: 'say the address as one object' },
        ],
      },
    ],
  },
  {
    name: 'mcp',
    forms: [
      {
        usage:
          '[--max A] [--ask-above A] [--output-dir DIR] [--allow-network CIDR] [--listen 127.0.0.1:PORT]',
        text: 'the purse for agents, as an MCP server on standard input and output',
      },
    ],
    groups: [
      {
        title: 'options',
        flags: [
          {
            long: 'max',
            value: '50sat',
            text: 'most for all that this server buys; can only lower the budget',
          },
          {
            long: 'ask-above',
            value: '20sat',
            text: 'ask the person in front of the agent above this amount',
          },
          { long: 'output-dir', value: 'DIR', text: 'the one folder that files may be saved in' },
          { long: 'allow-network', value: 'CIDR', text: 'private addresses that may be asked; any number' },
          {
            long: 'max-unpacked',
            value: 'SIZE',
            text: 'most bytes that a compressed answer unpacks to; default 1GiB, or none',
          },
          {
            long: 'max-unpack-ratio',
            value: 'N',
            text: 'most times its size that a compressed answer unpacks to; default 200, or none',
          },
          {
            long: 'listen',
            value: '127.0.0.1:PORT',
            text: 'loopback HTTP in place of standard input and output',
          },
          { long: 'token-file', value: 'FILE', text: 'the bearer token of --listen' },
          { long: 'no-pay', text: 'use what is in the purse, never pay' },
          WALLET,
          SANDBOX,
        ],
      },
    ],
  },
  {
    name: 'completions',
    actions: ['bash', 'zsh', 'fish'],
    forms: [{ usage: 'bash | zsh | fish', text: 'shell completions, to be sourced' }],
    groups: [],
  },
  {
    name: 'schema',
    forms: [{ usage: '[NAME]', text: 'JSON Schema of what --json and --events write' }],
    groups: [],
  },
]

/** Files and variables, for help and the manual. */
export const FILES: readonly (readonly [string, string])[] = [
  ['$FARE_HOME, else $XDG_CONFIG_HOME/fare', 'config.yaml (wallets; secrets stay in files of their own)'],
  [
    '$FARE_HOME, else $XDG_DATA_HOME/fare',
    'purse.db (credentials are bearer secrets: keep it private), grants.db, daemon/fare.sock',
  ],
  ['FARE_GRANT_FILE', 'fare get goes through the daemon, under this grant'],
  ['HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY', 'proxies, in small letters too'],
  ['NO_COLOR', 'no colour, also on a terminal'],
]
