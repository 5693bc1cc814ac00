/** Metrics of workers and gateways, in the Prometheus format. */
import { collectDefaultMetrics, Gauge, register } from 'prom-client'

collectDefaultMetrics()

/** Adds a gauge that is read when somebody asks. */
export function gauge(name: string, help: string, read: () => number): void {
  // prom-client keeps what is constructed in its registry.
  void new Gauge({
    name,
    help,
    collect() {
      this.set(read())
    },
  })
}

export function collectMetrics(): Promise<string> {
  return register.metrics()
}
