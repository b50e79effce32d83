/** Puts one LDK node together: its manager, monitor and peers, and the callbacks they need. */

import type { ChainMonitor, ChannelManager, PeerManager, UserConfig } from 'lightningdevkit'
import type { SimulatedChain } from './chain.ts'
import type { Ldk, LdkRuntime } from './runtime.ts'

export interface NodeParts {
  readonly manager: ChannelManager
  readonly monitor: ChainMonitor
  readonly peers: PeerManager
  readonly nodeId: Uint8Array
  /** LDK holds callback objects weakly: they must stay reachable as long as the node lives. */
  readonly keep: readonly unknown[]
}

/** LDK's floor, in satoshi per 1000 weight units; constant, so that channel fees never change. */
const FEE_RATE = 253
/** BOLT 2's limit, the same for both sides. */
export const MAX_HTLCS = 483
const MAX_CHANNEL_SATS = 2_100_000_000_000_000n

/** Creates a node with a fresh random key. `seconds` is the unix time it starts at. */
export function buildNode(runtime: LdkRuntime, chain: SimulatedChain, seconds: number): NodeParts {
  return runtime.run((ldk) => assemble(ldk, chain, seconds))
}

function assemble(ldk: Ldk, chain: SimulatedChain, seconds: number): NodeParts {
  const network = ldk.Network.LDKNetwork_Regtest
  const fees = ldk.FeeEstimator.new_impl({ get_est_sat_per_1000_weight: () => FEE_RATE })
  const logger = ldk.Logger.new_impl({ log: () => {} })
  const broadcaster = ldk.BroadcasterInterface.new_impl({
    broadcast_transactions(transactions) {
      for (const transaction of transactions) chain.broadcast(Uint8Array.from(transaction))
    },
  })
  const done = ldk.ChannelMonitorUpdateStatus.LDKChannelMonitorUpdateStatus_Completed
  const persister = ldk.Persist.new_impl({
    persist_new_channel: () => done,
    update_persisted_channel: () => done,
    archive_persisted_channel: () => {},
  })
  const noFilter = ldk.Option_FilterZ.constructor_none()
  const monitor = ldk.ChainMonitor.constructor_new(noFilter, broadcaster, logger, fees, persister)

  const seed = crypto.getRandomValues(new Uint8Array(32))
  const keys = ldk.KeysManager.constructor_new(seed, BigInt(seconds), 0)
  const entropy = keys.as_EntropySource()
  const signer = keys.as_NodeSigner()
  const graph = ldk.NetworkGraph.constructor_new(network, logger)
  const decay = ldk.ProbabilisticScoringDecayParameters.constructor_default()
  const scorer = ldk.ProbabilisticScorer.constructor_new(decay, graph, logger)
  const score = ldk.MultiThreadedLockableScore.constructor_new(scorer.as_Score())
  const scoring = ldk.ProbabilisticScoringFeeParameters.constructor_default()
  const router = ldk.DefaultRouter.constructor_new(graph, logger, entropy, score.as_LockableScore(), scoring)
  const messages = ldk.DefaultMessageRouter.constructor_new(graph, entropy)
  const manager = ldk.ChannelManager.constructor_new(
    fees,
    monitor.as_Watch(),
    broadcaster,
    router.as_Router(),
    messages.as_MessageRouter(),
    logger,
    entropy,
    signer,
    keys.as_SignerProvider(),
    configuration(ldk),
    ldk.ChainParameters.constructor_new(network, ldk.BestBlock.constructor_from_network(network)),
    seconds,
  )
  const ignore = ldk.IgnoringMessageHandler.constructor_new()
  const peers = ldk.PeerManager.constructor_new(
    manager.as_ChannelMessageHandler(),
    ignore.as_RoutingMessageHandler(),
    ignore.as_OnionMessageHandler(),
    ignore.as_CustomMessageHandler(),
    seconds,
    entropy.get_secure_random_bytes(),
    logger,
    signer,
  )
  return {
    manager,
    monitor,
    peers,
    nodeId: manager.get_our_node_id(),
    keep: [fees, logger, broadcaster, persister, keys, graph, scorer, score, router, messages, ignore],
  }
}

/** One big private channel, ready after one block, that carries as much at once as the protocol allows. */
function configuration(ldk: Ldk): UserConfig {
  const handshake = ldk.ChannelHandshakeConfig.constructor_default()
  handshake.set_minimum_depth(1)
  handshake.set_our_htlc_minimum_msat(1n)
  handshake.set_max_inbound_htlc_value_in_flight_percent_of_channel(100)
  handshake.set_our_max_accepted_htlcs(MAX_HTLCS)
  // LDK raises it to its floor of 1000 sat
  handshake.set_their_channel_reserve_proportional_millionths(0)
  const limits = ldk.ChannelHandshakeLimits.constructor_default()
  limits.set_max_funding_satoshis(MAX_CHANNEL_SATS)
  const channel = ldk.ChannelConfig.constructor_default()
  // the default allows about 2500 sat in dust HTLCs: eight concurrent payments of 300 sat
  channel.set_max_dust_htlc_exposure(
    ldk.MaxDustHTLCExposure.constructor_fixed_limit_msat(MAX_CHANNEL_SATS * 1000n),
  )
  const config = ldk.UserConfig.constructor_default()
  config.set_channel_handshake_config(handshake)
  config.set_channel_handshake_limits(limits)
  config.set_channel_config(channel)
  config.set_accept_forwards_to_priv_channels(true)
  return config
}
