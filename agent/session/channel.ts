/** How the agent reaches a gateway: one HTTP/2 connection, TLS against Drover's own CA, and the gateway's fixed name. */
import { createSecureContext, type SecureContext } from 'node:tls'
import { ChannelCredentials, type ClientOptions } from '@grpc/grpc-js'
import { AgentGatewayServiceClient } from '../../proto/index.js'

/** Every gateway's certificate carries this DNS name beside its own URI, so agents may dial it by any address. */
export const GATEWAY_SERVER_NAME = 'gateway.drover'

// 10 s + 5 s: a peer that vanished without a FIN is noticed within 15 s, and the promise is 25 s.
const options: ClientOptions = {
  'grpc.ssl_target_name_override': GATEWAY_SERVER_NAME,
  'grpc.default_authority': GATEWAY_SERVER_NAME,
  'grpc.enable_retries': 0,
  'grpc.enable_channelz': 0,
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.max_receive_message_length': 8 << 20,
  // Reconnecting is our own loop's work; inside one try the library may dial again soon.
  'grpc.initial_reconnect_backoff_ms': 1_000,
}

export interface ClientCertificate {
  keyPem: string
  certificatePem: string
}

/** What a connection shows and trusts; with no certificate it can only join. Making one costs a millisecond or two. */
export function clientContext(caPem: string, certificate?: ClientCertificate): SecureContext {
  if (!certificate) return createSecureContext({ ca: caPem })
  return createSecureContext({ ca: caPem, key: certificate.keyPem, cert: certificate.certificatePem })
}

/** A client for one gateway. */
export function createClient(gateway: string, context: SecureContext): AgentGatewayServiceClient {
  return new AgentGatewayServiceClient(gateway, ChannelCredentials.createFromSecureContext(context), options)
}
