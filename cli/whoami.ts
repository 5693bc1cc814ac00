/** `drover whoami`. */
import { connect } from './settings.js'
import type { Terminal } from './terminal.js'

export async function whoami(terminal: Terminal, options: { json?: true }): Promise<void> {
  const drover = connect()
  const me = await drover.whoami()
  if (options.json) return terminal.json({ url: drover.url, scope: drover.scope, ...me })
  terminal.data(`${me.principal.name} (${me.principal.kind}) at ${drover.url}`)
  for (const [scope, roles] of Object.entries(me.roles)) {
    terminal.data(
      `  ${scope}: ${roles.join(', ')}${scope === drover.scope ? '  (used; DROVER_SCOPE changes it)' : ''}`,
    )
  }
  if (!me.roles[drover.scope])
    terminal.talk(`you have no role in scope ${drover.scope}; set DROVER_SCOPE to one of yours`)
}
