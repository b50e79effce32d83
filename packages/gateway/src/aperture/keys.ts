/** Every key of `aperture.yaml`: what it holds, and what becomes of it. The importer and the documentation go by this table. */

/** How a value is checked. */
export type ApertureKind =
  | 'text'
  | 'flag'
  | 'whole'
  | 'duration'
  | 'expression'
  | 'texts'
  | 'expressions'
  /** Names with texts or numbers. */
  | 'table'
  /** `on`, `off`, `true`, `false`, `freebie N`. */
  | 'auth'
  /** Keys below it are not looked at. */
  | 'any'

/** One key. */
export interface ApertureKey {
  /** With dots between its parts, `[]` after a list. */
  readonly key: string
  /** Spelled so in Aperture's documentation, and read under `key` only. */
  readonly documented?: string
  readonly kind: ApertureKind
  /** What Aperture does without it. */
  readonly fallback: string
  /** Where it goes; empty: nowhere. */
  readonly becomes: string
  /** Why it does not go there, or not wholly; told whenever the key is there. */
  readonly why?: string
}

const MPP =
  'write "paymentScheme: always" to offer charges of the Payment scheme (MPP) to all; at first they are offered to who sends Accept-Payment'
const MPP_REALM = 'the realm is the host that was asked'
const NO_SESSIONS =
  'sessions of the Payment scheme (MPP) are offered where a route sells several calls or credit, for its price; see "sessions"'
const NO_LNC = 'Lightning Node Connect is not a backend here; name one under "lightning"'
const NO_WAVELENGTH = 'a Wavelength wallet is not a backend here; name one under "lightning"'
const NO_ETCD = 'etcd is not read: what was sold with keys in it does not open here'
const NO_TOR = 'no onion service is made here; let Tor itself forward one to the listener'
const NO_MAILBOX = 'there is no mailbox (hashmail) here; keep Aperture for it on a host of its own'
const OWN_LOG = 'the log is JSON lines on standard error; see "log"'
const OWN_SCHEMA = 'tables of Aperture are read and never changed'

const TABLE: readonly (readonly [
  key: string,
  kind: ApertureKind,
  fallback: string,
  becomes: string,
  why?: string,
])[] = [
  ['listenaddr', 'text', 'required', 'listen'],
  ['servername', 'text', '""', '', 'only automatic certificates need it'],
  [
    'autocert',
    'flag',
    'false',
    'listen',
    'there are no automatic certificates here: it listens on this machine only, for Caddy in front, or name certificate files under "tls"',
  ],
  ['insecure', 'flag', 'false', 'tls left out'],
  ['staticroot', 'text', '""', 'services.static.static'],
  ['servestatic', 'flag', 'false', 'services.static'],
  ['debuglevel', 'text', 'info', 'log.level'],
  ['configfile', 'text', '""', '', 'the file is named on the command line'],
  ['basedir', 'text', '~/.aperture', 'tls, keys.aperture'],
  ['profile', 'whole', '0', '', 'there is no profile listener; Node’s own --cpu-prof does this'],
  ['idletimeout', 'duration', '2m', '', 'idle connections end after 65 seconds'],
  ['readtimeout', 'duration', '15s', '', 'header lines have 30 seconds, bodies as long as they need'],
  [
    'writetimeout',
    'duration',
    '30s',
    'services.*.timeout',
    'it bounds the time to the first byte of an answer; later gaps are not bounded',
  ],
  ['wspinginterval', 'duration', '30s', '', NO_MAILBOX],
  ['wspongwait', 'duration', '15s', '', NO_MAILBOX],
  ['invoicebatchsize', 'whole', '100000', '', 'invoices of the node are never read through'],
  [
    'strictverify',
    'flag',
    'false',
    '',
    'a preimage is proof of payment here; the node is not asked once more',
  ],
  ['blocklist', 'texts', '[]', 'block'],
  ['dbbackend', 'text', 'etcd', 'keys.aperture'],
  ['sqlite.databasefilename', 'text', '~/.aperture/aperture.db', 'keys.aperture'],
  ['sqlite.skipmigrations', 'flag', 'false', '', OWN_SCHEMA],
  ['postgres.host', 'text', '""', 'keys.aperture'],
  ['postgres.port', 'whole', '0', 'keys.aperture'],
  ['postgres.user', 'text', '""', 'keys.aperture'],
  ['postgres.password', 'text', '""', 'keys.aperture'],
  ['postgres.dbname', 'text', '""', 'keys.aperture'],
  ['postgres.skipmigrations', 'flag', 'false', '', OWN_SCHEMA],
  [
    'postgres.maxopenconnections',
    'whole',
    '25',
    '',
    'reading keys takes few connections; the number is the gateway’s own',
  ],
  ['postgres.requiressl', 'flag', 'false', 'keys.aperture'],
  ['etcd.host', 'text', '""', '', NO_ETCD],
  ['etcd.user', 'text', '""', '', NO_ETCD],
  ['etcd.password', 'text', '""', '', NO_ETCD],
  ['authenticator.network', 'text', '""', 'network'],
  [
    'authenticator.disable',
    'flag',
    'false',
    '',
    'services keep their price whether there is a node or not; "auth: off" opens one',
  ],
  [
    'authenticator.lndhost',
    'text',
    '""',
    'lightning.url',
    'lnd is asked over REST, most likely on port 8080: check the port',
  ],
  ['authenticator.tlspath', 'text', '""', 'lightning.tlsCertFile'],
  ['authenticator.macdir', 'text', '""', 'lightning.macaroonFile'],
  ['authenticator.passphrase', 'text', '""', '', NO_LNC],
  ['authenticator.mailboxaddress', 'text', 'mailbox.terminal.lightning.today:443', '', NO_LNC],
  ['authenticator.devserver', 'flag', 'false', '', NO_LNC],
  ['authenticator.wavelengthgateway', 'text', '""', '', NO_WAVELENGTH],
  ['authenticator.wavelengthmacaroonpath', 'text', '""', '', NO_WAVELENGTH],
  ['authenticator.enablempp', 'flag', 'false', '', MPP],
  ['authenticator.mpprealm', 'text', 'listenaddr', '', MPP_REALM],
  ['authenticator.enablesessions', 'flag', 'false', '', NO_SESSIONS],
  ['authenticator.sessiondepositmultiplier', 'whole', '20', '', NO_SESSIONS],
  ['authenticator.sessionidletimeout', 'whole', '300', '', NO_SESSIONS],
  [
    'admin.enabled',
    'flag',
    'false',
    '',
    'the admin API is another one, on a listener of its own: see "admin"',
  ],
  [
    'admin.macaroonpath',
    'text',
    '~/.aperture/admin.macaroon',
    '',
    'the admin API takes a bearer token: see "admin.tokenFile"',
  ],
  ['admin.corsorigins', 'texts', '[]', '', 'the admin API is not for pages of other origins'],
  ['tor.control', 'text', '""', '', NO_TOR],
  ['tor.listenport', 'whole', '0', '', NO_TOR],
  ['tor.virtualport', 'whole', '0', '', NO_TOR],
  ['tor.v3', 'flag', 'false', '', NO_TOR],
  ['hashmail.enabled', 'flag', 'false', '', NO_MAILBOX],
  ['hashmail.messagerate', 'duration', '500ms', '', NO_MAILBOX],
  ['hashmail.messageburstallowance', 'whole', '10', '', NO_MAILBOX],
  ['hashmail.staletimeout', 'duration', '1h', '', NO_MAILBOX],
  ['prometheus.enabled', 'flag', 'false', 'admin.listen'],
  [
    'prometheus.listenaddr',
    'text',
    '""',
    'admin.listen',
    'metrics are under /metrics of the admin listener, and have other names',
  ],
  ['logging.console', 'any', '-', '', OWN_LOG],
  ['logging.file', 'any', '-', '', OWN_LOG],
  ['services[].name', 'text', 'required', 'the key of the service'],
  ['services[].hostregexp', 'expression', 'any host', 'hosts'],
  ['services[].pathregexp', 'expression', 'any path', 'routes[].match'],
  ['services[].address', 'text', 'required', 'upstream'],
  ['services[].protocol', 'text', 'http', 'upstream'],
  ['services[].auth', 'auth', 'on', 'price, free or freebie'],
  ['services[].authscheme', 'text', 'all', '', 'everything is sold by L402'],
  [
    'services[].tlscertpath',
    'text',
    '""',
    'upstreamTls.caFile',
    'the certificate is checked here; Aperture takes any',
  ],
  ['services[].headers', 'table', '{}', 'headers.request.set'],
  ['services[].rewrite.prefix', 'text', '""', 'rewrite.prefix'],
  ['services[].timeout', 'whole', '0', 'grants.valid'],
  ['services[].capabilities', 'text', '""', 'mints.capabilities'],
  ['services[].constraints', 'table', '{}', 'mints.caveats'],
  ['services[].price', 'whole', '1', 'price'],
  ['services[].authwhitelistpaths', 'expressions', '[]', 'a free route before the others'],
  [
    'services[].authskipinvoicecreationpaths',
    'expressions',
    '[]',
    'a route with skipInvoice before the others',
  ],
  ['services[].ratelimits[].pathregexp', 'expression', 'any path', 'rateLimits[].match'],
  ['services[].ratelimits[].requests', 'whole', 'required', 'rateLimits[].requests'],
  ['services[].ratelimits[].per', 'duration', 'required', 'rateLimits[].requests'],
  ['services[].ratelimits[].burst', 'whole', 'requests', 'rateLimits[].burst'],
  ['services[].dynamicprice.enabled', 'flag', 'false', 'price'],
  ['services[].dynamicprice.grpcaddress', 'text', '""', 'price.grpc'],
  ['services[].dynamicprice.insecure', 'flag', 'false', 'price.tls'],
  ['services[].dynamicprice.tlscertpath', 'text', '""', 'price.tls.caFile'],
  ['services[].dynamicprice.metered', 'flag', 'false', 'price.metered'],
  ['services[].dynamicprice.usagetailbytes', 'whole', '16384', 'price.usageTail'],
]

const DOCUMENTED: Readonly<Record<string, string>> = {
  'sqlite.databasefilename': 'sqlite.dbfile',
  'postgres.maxopenconnections': 'postgres.maxconnections',
  'postgres.requiressl': 'postgres.requireSSL',
  'admin.corsorigins': 'admin.corsorigin',
}

/** The table, in the order of Aperture's own sample. */
export const APERTURE_KEYS: readonly ApertureKey[] = TABLE.map(([key, kind, fallback, becomes, why]) => ({
  key,
  kind,
  fallback,
  becomes,
  ...(why === undefined ? {} : { why }),
  ...(DOCUMENTED[key] === undefined ? {} : { documented: DOCUMENTED[key] }),
}))

/** By every spelling. */
export const APERTURE_KEY: ReadonlyMap<string, ApertureKey> = new Map(
  APERTURE_KEYS.flatMap((entry) => [
    [entry.key, entry] as const,
    ...(entry.documented === undefined ? [] : [[entry.documented, entry] as const]),
  ]),
)
