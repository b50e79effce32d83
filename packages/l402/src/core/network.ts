/** The Lightning networks an invoice can be for. */
export type Network = 'mainnet' | 'testnet' | 'signet' | 'regtest' | 'simnet'
