/** The commands and their options; what they do is loaded only when it is called, so that help is instant. */
import { Command, Option } from 'commander'
import { exitCodeHelp } from './exit-code.js'
import { addDbAccounts, addJobs, addScripts } from './library-program.js'
import { all, asJson } from './options.js'
import { addRuns } from './runs-program.js'
import { addSecrets } from './secrets-program.js'
import type { Terminal } from './terminal.js'
import { parseAmount, parseConcurrency, parseCount, parseDuration } from './values.js'
import { cliVersion } from './version.js'

const duration = (flags: string, description: string) =>
  new Option(flags, description).argParser(parseDuration)

export function createProgram(terminal: Terminal): Command {
  const program = new Command('drover')
    .description('Runs scripts on fleets of hosts.')
    .version(cliVersion())
    .exitOverride()
    .showHelpAfterError('(see --help)')
    .addHelpText('after', exitCodeHelp)
  addRun(program, terminal)
  addRuns(program, terminal)
  addHosts(program, terminal)
  addGroups(program, terminal)
  addScripts(program, terminal)
  addJobs(program, terminal)
  addDbAccounts(program, terminal)
  addSecrets(program, terminal)
  addRecoveries(program, terminal)
  addAgents(program, terminal)
  program
    .command('whoami')
    .description('who the token belongs to, and what it may do')
    .addOption(asJson())
    .action(async (options) => (await import('./whoami.js')).whoami(terminal, options))
  program
    .command('doctor')
    .description('check the server, the token, clocks and agents')
    .addOption(asJson())
    .action(async (options) => (await import('./doctor.js')).doctor(terminal, options))
  return program
}

function addRun(program: Command, terminal: Terminal): void {
  program
    .command('run')
    .description('run a command or a script on hosts, and follow it')
    .argument(
      '[command...]',
      'the command, after --; one word is shell text; with --file or --script, its arguments',
    )
    .option(
      '-t, --target <target>',
      "which hosts: name:web-[01-40], group:g, env=prod, '*', run:812:failed, - (standard input), @file; not of a plan whose steps all have their own",
    )
    .option('--concurrency <n>', 'how many hosts at once: 20 or 25%', parseConcurrency)
    .option('--timeout <duration>', 'for each host: 90s, 2m, 1h', parseDuration)
    .option('--as <account>', 'account to run as on the host')
    .option('--login', "read the account's profile first")
    .option('--lang <language>', 'bash, sh, python, perl, node, powershell or bat')
    .option('--cwd <folder>', 'working directory on the host')
    .option('--env <key=value>', 'environment variable; repeat for more', all, [])
    .option(
      '--secret <name=secret>',
      'a secret of the store, whose file is told in NAME_FILE; with --job, of a secret variable; repeat for more',
      all,
      [],
    )
    .option('--name <text>', 'what the run is called in lists')
    .option('--file <script>', 'run this file; - is standard input')
    .option('--script <name>', 'run a script of the library: deploy, or deploy@3')
    .option('--job <plan>', 'run a plan of a job: deploy-site/staging')
    .option('--set <name=value>', 'value of a variable of the plan; repeat for more', all, [])
    .option('--values <file>', 'values of variables as YAML, for lists and maps, too')
    .option(
      '--secret-file <name=path>',
      'value of a secret variable of the plan, byte for byte; - is standard input; repeat for more',
      all,
      [],
    )
    .option('--sql <text>', 'run these statements; needs --db-account')
    .option('--db-account <name>', 'where SQL runs, and as whom; with --sql, --file or --script')
    .option('--database <name>', "of SQL, instead of the account's")
    .option('--format <format>', 'of the rows of SQL: tsv, csv or jsonl')
    .option('--on-error <what>', 'stop or continue after a statement that fails')
    .option('--transaction', 'all statements of the SQL or none')
    .option('--expires <duration>', 'how long its orders are good, from now on; 24h', parseDuration)
    .option('--confirm <n>', 'say how many hosts you expect', parseCount)
    .option('--preview', 'show what would be done, to whom and for how long, and start nothing')
    .option('--digest <digest>', 'start only exactly what a preview showed')
    .option('--detach', 'print the id and do not follow')
    .option('--idempotency-key <key>', 'repeat a launch safely')
    .addOption(asJson())
    .action(async (words, options) => (await import('./run.js')).run(terminal, words, options))
}

function addHosts(program: Command, terminal: Terminal): void {
  const hosts = program.command('hosts').description('look at hosts, label and add them')
  hosts
    .command('ls')
    .description('list hosts')
    .option('-t, --target <target>', 'only these')
    .option('--all', 'revoked ones too')
    .addOption(asJson())
    .action(async (options) => (await import('./hosts.js')).listHosts(terminal, options))
  hosts
    .command('show <host>')
    .description('show a host, by name or id')
    .addOption(asJson())
    .action(async (host, options) => (await import('./hosts.js')).showHost(terminal, host, options))
  hosts
    .command('label <host> <labels...>')
    .description('set labels (key=value) or take them away (key-)')
    .addOption(asJson())
    .action(async (host, labels, options) =>
      (await import('./hosts.js')).labelHost(terminal, host, labels, options),
    )
  hosts
    .command('revoke <host>')
    .description("end a host's identity; it must join anew")
    .option('--yes', 'do not ask')
    .option('--reimaged', 'its disk was replaced: what it was sent and did not tell is lost')
    .addOption(asJson())
    .action(async (host, options) => (await import('./hosts.js')).revokeHost(terminal, host, options))
  hosts
    .command('release <host>')
    .description('lift a quarantine, once one agent is left under the identity')
    .addOption(asJson())
    .action(async (host, options) => (await import('./hosts.js')).releaseHost(terminal, host, options))
  hosts
    .command('join-token')
    .description('make a token by which hosts join')
    .option('--label <key=value>', 'given to every host that joins by it; repeat for more', all, [])
    .option('--uses <n>', 'how many hosts', parseCount, 1)
    .addOption(duration('--ttl <duration>', 'how long it is good').default(3_600_000, '1h'))
    .addOption(asJson())
    .action(async (options) => (await import('./hosts.js')).makeJoinToken(terminal, options))
  addUpgrade(hosts, terminal)
}

function addUpgrade(hosts: Command, terminal: Terminal): void {
  hosts
    .command('upgrade')
    .description('change agents to an uploaded version; one that gets no session goes back by itself')
    .requiredOption('-t, --target <target>', 'which hosts')
    .requiredOption('--to <version>', 'see: drover agents ls')
    .option('--at-once <n>', 'how many hosts at the same time', parseCount, 25)
    .option('--max-failures <n>', 'if more hosts than this fall back, no more are begun', parseAmount, 0)
    .addOption(
      duration('--probation <duration>', 'how long a new version has to get a session').default(
        45_000,
        '45s',
      ),
    )
    .option('--ttl <duration>', 'hosts that are away longer are not changed', parseDuration, 3_600_000)
    .option('--confirm <n>', 'say how many hosts you expect', parseCount)
    .option('--detach', 'do not follow')
    .option('--idempotency-key <key>', 'repeat it safely')
    .addOption(asJson())
    .action(async (options) => (await import('./agents.js')).upgradeHosts(terminal, options))
}

function addAgents(program: Command, terminal: Terminal): void {
  const agents = program.command('agents').description('bundles of the agent that hosts can be upgraded to')
  agents
    .command('ls')
    .description('list bundles')
    .addOption(asJson())
    .action(async (options) => (await import('./agents.js')).listAgents(terminal, options))
  agents
    .command('upload <file>')
    .description('keep a bundle; the file is started with --version to learn which it is')
    .option('--platform <platform>', 'any, linux, linux-arm64, …')
    .addOption(asJson())
    .action(async (file, options) => (await import('./agents.js')).uploadAgent(terminal, file, options))
}

function addRecoveries(program: Command, terminal: Terminal): void {
  const recoveries = program.command('recoveries').description('what is held after a database was restored')
  recoveries
    .command('ls')
    .description('list recoveries, newest first')
    .addOption(asJson())
    .action(async (options) => (await import('./recoveries.js')).listRecoveries(terminal, options))
  recoveries
    .command('resume')
    .description('let every held run go on, and new launches run')
    .addOption(asJson())
    .action(async (options) => (await import('./recoveries.js')).resumeRecovered(terminal, options))
}

function addGroups(program: Command, terminal: Terminal): void {
  const groups = program.command('groups').description('named lists of hosts')
  groups
    .command('ls')
    .description('list groups')
    .addOption(asJson())
    .action(async (options) => (await import('./groups.js')).listGroups(terminal, options))
  groups
    .command('show <group>')
    .description("list a group's hosts")
    .addOption(asJson())
    .action(async (group, options) => (await import('./groups.js')).showGroup(terminal, group, options))
  groups
    .command('set <group>')
    .description('make a group of the hosts that a target names now')
    .requiredOption('-t, --target <target>', 'which hosts')
    .addOption(asJson())
    .action(async (group, options) => (await import('./groups.js')).setGroup(terminal, group, options))
  groups
    .command('rm <group>')
    .description('delete a group; its hosts stay')
    .addOption(asJson())
    .action(async (group, options) => (await import('./groups.js')).removeGroup(terminal, group, options))
}
