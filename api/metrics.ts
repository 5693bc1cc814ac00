/** What the api counts, for Prometheus. */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'

export interface Metrics {
  registry: Registry
  requests: Counter<'operation' | 'status'>
  durations: Histogram<'operation'>
  streams: Gauge<'operation'>
}

/** A registry of its own, so that several servers fit into one process. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  return {
    registry,
    requests: new Counter({
      name: 'drover_api_requests_total',
      help: 'Requests answered.',
      labelNames: ['operation', 'status'],
      registers,
    }),
    durations: new Histogram({
      name: 'drover_api_request_seconds',
      help: 'Time from the request to its answer; streams are not counted here.',
      labelNames: ['operation'],
      buckets: [0.005, 0.02, 0.05, 0.1, 0.3, 1, 3, 10],
      registers,
    }),
    streams: new Gauge({
      name: 'drover_api_streams',
      help: 'Live event streams that are open.',
      labelNames: ['operation'],
      registers,
    }),
  }
}
