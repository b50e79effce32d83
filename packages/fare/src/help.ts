import { walletKinds } from './config-file.ts'
import { EXIT_MEANINGS } from './exit-codes.ts'

/** `fare --help`. */
export const HELP: string = `fare: fetches what costs money, over HTTP 402 and Lightning, inside a budget

usage
  fare [get] URL [options]      fetch; pay when it must, within the budget
  fare quote URL [options]      what it would cost, and whether policy would pay; pays nothing
  fare tokens list              what was bought
  fare wallet add NAME --backend B [--url U] [--…-file F]   where the money comes from: ${walletKinds()}
  fare wallet list | test [NAME] | use NAME | remove NAME
  fare budget show              limits in force, and what has been spent
  fare budget set [--host H] [--request 100sat] [--hour 1ksat] [--day 5ksat] [--total 50ksat] [--count N/1d]
                                "none" lifts a limit; also --payee P or --task T instead of --host H
         [--approve-above 500sat] [--allow-host H] [--deny-host H] [--allow-payee P] [--deny-payee P]
         [--price-jump 5] [--unserved 5/1d]
  fare budget forgive HOST      pay a host again that took money and did not serve
  fare payments [--limit N]     every purchase and what became of it
  fare mcp [--max A] [--ask-above A] [--output-dir DIR] [--allow-network CIDR] [--listen 127.0.0.1:PORT]
                                the purse for agents, as an MCP server on standard input and output
  fare recover                  look up payments whose outcome is unknown, and finish them

requests, as with curl
  -X METHOD  -H 'Name: value'  -d DATA | -d @FILE  --data-binary DATA | @FILE  -I  -L  --max-redirs N  -k
  -o FILE  -O  -i  -s  -f, --fail  -m, --max-time SECONDS (never cuts a payment)
  --compressed  --http2  --connect-timeout SECONDS  --public-only (no private networks, no proxies)

money
  --max 50sat       most for this run, all purchases and fees together; can only lower the budget; 0 pays nothing
  --task NAME       tag for the limits of fare budget set --task NAME
  --no-pay          use what is in the purse, never pay
  --quote ID        pay exactly the invoice that fare quote showed; its URL need not be typed again
  --pay-again       buy anew where what was paid is not served
  --wallet NAME     which wallet pays (FARE_WALLET, else the one of fare wallet use)
  --sandbox         play money of a gateway started with turnpike serve --sandbox
                    (FARE_SANDBOX_URL, else http://127.0.0.1:8403)

output
  --json            one object on standard output, in every case
  --events          what happens, as it happens: one JSON object a line on standard error, the last of type "end"

environment
  HTTP_PROXY  HTTPS_PROXY  ALL_PROXY  NO_PROXY, in small letters too

exit codes
${Object.entries(EXIT_MEANINGS)
  .map(([code, meaning]) => `  ${code.padStart(2)}  ${meaning}`)
  .join('\n')}

files
  $FARE_HOME, else $XDG_CONFIG_HOME/fare: config.yaml (wallets; secrets stay in files of their own)
  $FARE_HOME, else $XDG_DATA_HOME/fare: purse.db (credentials are bearer secrets: keep it private)
`
