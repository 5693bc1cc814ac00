/** `drover groups ls | show | set | rm`. */
import { connect } from './settings.js'
import { tableOf } from './table.js'
import { readTarget } from './target-input.js'
import type { Terminal } from './terminal.js'

interface Json {
  json?: true
}

export async function listGroups(terminal: Terminal, options: Json): Promise<void> {
  const groups = []
  for await (const group of connect().groups()) groups.push(group)
  if (options.json) return terminal.json({ items: groups })
  if (!groups.length) return terminal.talk('no groups; make one with: drover groups set NAME -t TARGET')
  const rows = groups.map((group) => [group.name, group.hosts, group.createdAt])
  terminal.data(tableOf(['NAME', 'HOSTS', 'CREATED'], rows))
}

export async function showGroup(terminal: Terminal, name: string, options: Json): Promise<void> {
  const members = []
  for await (const member of connect().groupMembers(name)) members.push(member)
  if (options.json) return terminal.json({ name, items: members })
  for (const member of members) terminal.data(member.name)
}

export async function setGroup(
  terminal: Terminal,
  name: string,
  options: Json & { target: string },
): Promise<void> {
  const group = await connect().putGroup(name, readTarget(options.target))
  if (options.json) return terminal.json(group)
  terminal.talk(`group ${group.name} has ${group.hosts} ${group.hosts === 1 ? 'host' : 'hosts'}`)
}

export async function removeGroup(terminal: Terminal, name: string, options: Json): Promise<void> {
  const removed = await connect().deleteGroup(name)
  if (options.json) return terminal.json(removed)
  terminal.talk(`group ${removed.name} is gone; its hosts stay`)
}
