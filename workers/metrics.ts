/** Metrics of workers and gateways, in the Prometheus format. */
import { collectDefaultMetrics, Counter, Gauge, register } from 'prom-client'

collectDefaultMetrics()

/** Adds a gauge that is read when somebody asks. */
export function gauge(name: string, help: string, read: () => number | Promise<number>): void {
  // prom-client keeps what is constructed in its registry.
  void new Gauge({
    name,
    help,
    async collect() {
      this.set(await read())
    },
  })
}

/** Adds a gauge with one value for each value of a label; values that are not there any more are taken out. */
export function gaugeBy(
  label: string,
  name: string,
  help: string,
  read: () => Promise<Record<string, number>>,
): void {
  void new Gauge({
    name,
    help,
    labelNames: [label],
    async collect() {
      const values = await read()
      this.reset()
      for (const [value, count] of Object.entries(values)) this.set({ [label]: value }, count)
    },
  })
}

/** Adds a counter with one value for each value of a label, counted elsewhere since the process started. */
export function counterBy(
  label: string,
  name: string,
  help: string,
  read: () => Record<string, number>,
): void {
  void new Counter({
    name,
    help,
    labelNames: [label],
    collect() {
      this.reset()
      for (const [value, count] of Object.entries(read())) this.inc({ [label]: value }, count)
    },
  })
}

export function collectMetrics(): Promise<string> {
  return register.metrics()
}
