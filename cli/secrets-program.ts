/** The commands on secrets. */
import type { Command } from 'commander'
import { asJson } from './options.js'
import type { Terminal } from './terminal.js'

export function addSecrets(program: Command, terminal: Terminal): void {
  const secrets = program.command('secrets').description('values that scripts get and nobody reads')
  const load = () => import('./secrets.js')
  secrets
    .command('ls')
    .description('list secrets, without their values')
    .option('--name <text>', 'part of the name')
    .addOption(asJson())
    .action(async (options) => (await load()).listSecrets(terminal, options))
  secrets
    .command('show <secret>')
    .description('show its versions and who uses it; nothing shows a value')
    .addOption(asJson())
    .action(async (secret, options) => (await load()).showSecret(terminal, secret, options))
  secrets
    .command('set <secret>')
    .description('keep a new secret; its value is asked for, or comes from a file or standard input')
    .option('--file <file>', 'that holds the value, byte for byte; - is standard input')
    .option('--description <text>', 'what it is for')
    .addOption(asJson())
    .action(async (secret, options) => (await load()).setSecret(terminal, secret, options))
  secrets
    .command('rotate <secret>')
    .description('give it another value, for launches from now on')
    .option('--file <file>', 'that holds the value, byte for byte; - is standard input')
    .addOption(asJson())
    .action(async (secret, options) => (await load()).rotateSecret(terminal, secret, options))
  for (const [change, does] of [
    ['disable', 'give a version to nothing any more, until it is enabled'],
    ['enable', 'take that back'],
    ['destroy', 'destroy the value of a version for good'],
  ] as const) {
    secrets
      .command(`${change} <secret@version>`)
      .description(does)
      .addOption(asJson())
      .action(async (secret, options) => (await load()).changeSecret(terminal, secret, change, options))
  }
  secrets
    .command('rm <secret>')
    .description('remove a secret that no job or plan uses, with all its values')
    .addOption(asJson())
    .action(async (secret, options) => (await load()).removeSecret(terminal, secret, options))
}
