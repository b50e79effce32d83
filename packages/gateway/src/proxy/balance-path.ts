/** Where the balance of a credential is read, on every host; no route is asked for it. */
export const BALANCE_PATH = '/.well-known/l402/balance'
