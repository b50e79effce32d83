/** What `turnpike init` writes: a configuration that runs on the sandbox and explains every key. */

export const initialConfig = `# Turnpike: puts a price in front of any HTTP API.
#   turnpike check              validates this file and prints what is sold
#   turnpike serve --sandbox    runs it on sandbox Lightning: real invoices and payments, play money
#
# Amounts are written with a unit: 10 sat, 1500 msat, 0.0001 btc. Durations too: 30s, 10m, 1h, 7d.
# \${NAME} in a value is that environment variable ($\${ for a literal \${). File names start at this file's folder.

# Where buyers come in: host:port, or a list of them. Port 0 is any free one. Default: 127.0.0.1:8402.
listen: 127.0.0.1:8402

# The certificate of these addresses, which then speak https: PEM files, read again when they change. "turnpike init --tls"
# makes a pair for development. clientCaFile asks clients for certificates. One address may be { address: 0.0.0.0:80, tls: false }.
# tls: { certFile: turnpike.crt, keyFile: turnpike.crt.key }

# Refuse to run on another network than this: mainnet, testnet, signet or regtest. Default: the backend's own.
# network: regtest

# Who makes the invoices. "sandbox" is play money: two Lightning nodes on a simulated chain inside this program.
# A node or wallet of your own, or a list of them that are asked in order; more kinds in docs/lightning.md:
# lightning: { backend: lnd, url: https://127.0.0.1:8080, macaroonFile: invoice.macaroon, tlsCertFile: tls.cert }
# lightning: { backend: cln, url: https://127.0.0.1:3010, runeFile: cln.rune, tlsCertFile: cln.crt }
# lightning: { backend: phoenixd, url: http://127.0.0.1:9740, passwordFile: phoenixd.password }
# lightning: { backend: lnbits, url: https://lnbits.example.com, keyFile: lnbits.key }
# lightning: { backend: nwc, connectionFile: nwc.txt }
lightning: { backend: sandbox }

# The books: how much of what was sold has been used. "memory" forgets at the end; default: sqlite:turnpike.db.
store: sqlite:turnpike.db

# The master keys: a key file (or a list of them), readable by its owner alone, and/or an environment variable that
# holds a key in base64 (env: NAME). "turnpike keys rotate" adds a key, read at HUP. Default: { file: turnpike.key }.
# aperture: "sqlite:aperture.db" beside it opens what an Aperture has sold, too.
keys: { file: turnpike.key }

# Making an invoice costs work, so each client (IPv4 /24, IPv6 /48) may ask for so many unpaid ones per time.
# Default, with all of this left out: 60/1m, and this machine exempt.
challenges:
  limit: 60/1m # or off
  exempt: [127.0.0.1/32] # blocks of addresses that are not limited
  invoiceExpiry: 10m # how long an invoice can be paid

# Answers that are kept for requests that come again with the same Idempotency-Key: how long, and up to which size.
# idempotency: { keep: 1d, maxAnswer: 256 KiB }

# Proxies in front of this gateway, whose X-Forwarded-For counts. Default: none, and nobody's word does.
# trustedProxies: [10.0.0.0/8]

# Health (/healthz, /readyz), metrics (/metrics) and the sandbox's wallet. Never on the public addresses.
admin:
  listen: 127.0.0.1:8403
  # tokenFile: admin.token # bearer token of the admin API (/api), which is closed without one: openssl rand -hex 32

# On TERM or INT: how long running requests may take to finish.
drainTimeout: 30s

log:
  level: info # debug, info, warn, error or silent
  requests: problems # one line per request: none, problems (answered with 400 and above) or all

# More keys, each with all it holds in docs/configuration.md:
# workers: auto # processes that serve, one per core. Default: 1
# block: [203.0.113.0/24] # who gets 403, paid or not; with "allow: [...]" everybody else does
# rates: { source: coinbase } # what a bitcoin costs, for prices such as "$0.02"
# webhooks: [{ url: https://example.com/hook, secretFile: hook.secret }] # told of sales (Standard Webhooks)
# journal: { keep: 365d } # the record of what was sold
# tracing: { endpoint: http://127.0.0.1:4318 } # OpenTelemetry
# forwardAuth: { listen: 127.0.0.1:8404 } # where nginx, Caddy and Traefik ask; "envoy" for Envoy
# compat: { lsat: true } # challenges that suit clients of Aperture
# paymentScheme: asked # to whom the Payment scheme (MPP) is offered beside L402: asked (who sends Accept-Payment), always or off
# sessions: { idleTimeout: 5m } # that scheme's deposits; "refunds" is the wallet that pays back what is left of them; or off
# discovery: { title: My API } # what /openapi.json, /llms.txt and the like call all that is sold; or off
# page: { language: en } # words of the page that browsers pay on; false turns it off

# What is sold. A path that no route matches is 404, never passed on free. Routes match in the order they are written.
services:
  # The name stands in the credentials that are sold; renaming a service makes them worthless.
  weather:
    # Where paid requests go; a path here is put before theirs. "sample" is a small API built into this program, for
    # trying things out; put your own here: http://127.0.0.1:9000, https://…, or h2c://… (HTTP/2 without TLS, as gRPC has it)
    upstream: sample

    # protocol: h2 # what an https upstream speaks; gRPC needs h2. Default: h1
    # upstreamTls: { caFile: ca.crt } # whom to trust there; certFile and keyFile for our own certificate, serverName, insecure
    # hosts: [api.example.com] # serve only these names (Host line). Default: any
    # tier: 0 # grade of this service; a credential opens one grade. Default: 0
    # unknownCaveats: skip # or refuse: what to do with conditions this version does not know. Default: skip
    # forwardCredential: false # true: the upstream also gets the Authorization line. Default: false

    # static: public # a folder whose files are served in place of an upstream
    # rewrite: { prefix: /v1 } # put before the path on its way; stripPrefix is cut off it
    # headers: { request: { set: { X-Key: "\${API_KEY}" } }, response: { remove: [Server] } }
    # health: { path: /healthz } # asked of each upstream; for several of them also balance, retries and eject
    # bodyLimit: 1 MiB # a longer body is 413. Default: any length
    # freebie: 5/1d # requests that each client network has for nothing
    # rateLimits: [{ requests: 10/1s, per: token }] # beyond it 429; per token, address or route
    # cors: { origins: [https://app.example.com] } # whose pages may read answers. Default: any
    # description: Forecasts of cities # for the discovery documents; openapi: own.json is merged in, hidden: true leaves it out
    # page: { title: The weather archive, brand: Weather & Co. } # what the payment page says; false turns it off
    # block, allow: as above, for this service. mints: { caveats: [...] } # what credentials are sold with besides

    # How long the upstream may take to its first byte; then 504, and the buyer keeps what was paid for. Default: 30s.
    timeout: 30s

    routes:
      # match: [METHOD[,METHOD]] PATH. "*" is one segment, "/*" at the end is the rest, "~…" is an RE2 expression of
      # the path. Without a method it matches all of them; HEAD is matched and charged as GET.
      - { match: /health, free: true }

      # A pass: any number of calls for an hour. memo is the invoice's description.
      - { match: "GET /forecast/*", price: 10 sat, grants: { valid: 1h }, memo: Weather forecasts for an hour }

      # A bundle: three calls, whenever. Both may be given: { calls: 3, valid: 1d }. Left out: one call.
      - { match: POST /query, price: 25 sat, grants: { calls: 3 } }

      # Credit, from which each request draws what its answer has cost: tokens of a language model's answer here. What
      # can be measured: fixed, requestBytes, responseBytes, events, seconds, header, json, usage. "estimate" is reserved first.
      # - match: POST /v1/chat/completions
      #   price: 500 sat
      #   grants: { credit: 500 sat }
      #   charge: { usage: { shape: openai, input: 250 msat/1000, output: 1 sat/1000 }, estimate: 5 sat, whenEmpty: finish }

      # More keys of a route:
      #   conditions: { rate: 10/1m } what its credentials are bound to: rate, methods, paths, ip, origin, dpop; a service
      #                              may have conditions for all its routes
      #   capability: forecasts      what a credential must hold; routes that share it open with one payment. Default:
      #                              the match text (a comma in it as %2C), so each route is bought on its own
      #   anyCapability: true        opens for every credential of the service, those of an Aperture too
      #   timeout: 5s                instead of the service's; so are bodyLimit, freebie and rateLimits
      #   matchHeaders: { X-V: "2" } header lines that a request must have for this route
      #   skipInvoice: true          sells nothing: 401 without a credential
      #   shadow: true               decides and counts everything, and refuses nothing
      #   allowEncodedSlash: true    lets %2F in the path through; otherwise it is 400
      #   keepOverrideHeaders: true  lets X-HTTP-Method-Override and the like through; otherwise they are removed
`

/** The same text with its "tls" line in force. */
export function withTls(text: string): string {
  return text.replace(/^# (tls: \{)/m, '$1')
}
