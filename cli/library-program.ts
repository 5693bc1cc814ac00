/** The commands on what people author: the script library, jobs and their plans, database accounts. */
import type { Command } from 'commander'
import { all, asJson } from './options.js'
import type { Terminal } from './terminal.js'
import { parseCount } from './values.js'

export function addScripts(program: Command, terminal: Terminal): void {
  const scripts = program
    .command('scripts')
    .description('the script library: named scripts with versions; public/NAME is one that all scopes share')
  const load = () => import('./scripts.js')
  scripts
    .command('ls')
    .description('list scripts')
    .option('--public', 'those that all scopes share')
    .option('--name <text>', 'part of the name')
    .option('--tag <tag>', 'that have this tag')
    .option('--lang <language>', 'in this language')
    .option('--text <text>', 'whose newest version has this in its text')
    .addOption(asJson())
    .action(async (options) => (await load()).listScripts(terminal, options))
  scripts
    .command('show <script>')
    .description('show a script and its versions; deploy@3 prints the text of version 3')
    .addOption(asJson())
    .action(async (script, options) => (await load()).showScript(terminal, script, options))
  scripts
    .command('put <script> <file>')
    .description('make a script, or give it a new version; - is standard input')
    .option('--lang <language>', 'of a new script; by the name of the file if left out')
    .option('--note <text>', 'what is new in this version')
    .option('--description <text>', 'what a new script is for')
    .option('--tag <tag>', 'of a new script; repeat for more', all, [])
    .option('--publish', 'the version goes online at once')
    .addOption(asJson())
    .action(async (script, file, options) => (await load()).putScript(terminal, script, file, options))
  scripts
    .command('edit <script>')
    .description('open a version in your editor; one that is no draft becomes a new draft')
    .option('--note <text>', 'what is new in this version')
    .addOption(asJson())
    .action(async (script, options) => (await load()).editScript(terminal, script, options))
  scripts
    .command('publish <script>')
    .description('put a version online, the latest if none is named; the former one goes offline')
    .addOption(asJson())
    .action(async (script, options) => (await load()).publishScript(terminal, script, options))
  scripts
    .command('disable <script@version>')
    .description('disable a version for good: nothing that names it starts any more')
    .addOption(asJson())
    .action(async (script, options) => (await load()).disableScript(terminal, script, options))
  scripts
    .command('diff <script@version> [other]')
    .description('compare a version with another, or with the one that is online')
    .addOption(asJson())
    .action(async (script, other, options) => (await load()).diffScript(terminal, script, other, options))
  addLibraryUpkeep(scripts, terminal)
}

/** Who uses what, tags, and what is not needed any more. */
function addLibraryUpkeep(scripts: Command, terminal: Terminal): void {
  const load = () => import('./scripts.js')
  scripts
    .command('uses <script>')
    .description('which steps of jobs and plans use it, and what they mean by it now')
    .addOption(asJson())
    .action(async (script, options) => (await load()).usesOfScript(terminal, script, options))
  scripts
    .command('sync <script@version> [jobs...]')
    .description('let jobs that name another version name this one; all of them if none is named')
    .addOption(asJson())
    .action(async (script, jobs, options) => (await load()).syncScript(terminal, script, jobs, options))
  scripts
    .command('tag <script> [tags...]')
    .description('add tags, or take them away (nightly-); change the description')
    .option('--description <text>', 'what the script is for')
    .addOption(asJson())
    .action(async (script, tags, options) => (await load()).tagScript(terminal, script, tags, options))
  scripts
    .command('rm <script>')
    .description('remove a version (deploy@2), or a script with all of them; what ran keeps its text')
    .addOption(asJson())
    .action(async (script, options) => (await load()).removeScript(terminal, script, options))
}

export function addJobs(program: Command, terminal: Terminal): void {
  const jobs = program.command('jobs').description('jobs and their plans, written as YAML')
  const load = () => import('./jobs.js')
  jobs
    .command('ls')
    .description('list jobs')
    .option('--name <text>', 'part of the name')
    .option('--tag <tag>', 'that have this tag')
    .addOption(asJson())
    .action(async (options) => (await load()).listJobs(terminal, options))
  jobs
    .command('show <job>')
    .description(
      'show a job: its steps, its plans, and whether they need a sync; or a plan (deploy-site/staging)',
    )
    .addOption(asJson())
    .action(async (job, options) => (await load()).showJob(terminal, job, options))
  jobs
    .command('apply <files...>')
    .description('make or change the jobs and plans that YAML files hold; - is standard input')
    .option('--sync', 'also give the plans of the files the steps of today')
    .addOption(asJson())
    .action(async (files, options) => (await load()).applyJobs(terminal, files, options))
  jobs
    .command('diff [files...]')
    .description('what apply of the files would change, or a sync of a plan')
    .option('--plan <plan>', 'deploy-site/staging')
    .addOption(asJson())
    .action(async (files, options) =>
      options.plan === undefined
        ? (await load()).diffJobs(terminal, files, options)
        : (await load()).diffPlan(terminal, options.plan, options),
    )
  jobs
    .command('export [jobs...]')
    .description('print jobs as YAML, all of them if none is named')
    .action(async (names) => (await load()).exportJobs(terminal, names))
  jobs
    .command('sync <job> [plans...]')
    .description('give plans the steps that their job has now; all that need it if none is named')
    .option('--revision <n>', 'only if that is the revision of the job that you have seen', parseCount)
    .addOption(asJson())
    .action(async (job, plans, options) => (await load()).syncJob(terminal, job, plans, options))
  jobs
    .command('uses <plan>')
    .description('which steps of jobs and plans bring a plan (deploy-site/staging)')
    .addOption(asJson())
    .action(async (plan, options) => (await load()).listUses(terminal, plan, options))
  jobs
    .command('rm <job>')
    .description('remove a plan (deploy-site/staging), or a job that has none')
    .addOption(asJson())
    .action(async (job, options) => (await load()).removeJob(terminal, job, options))
}

export function addDbAccounts(program: Command, terminal: Terminal): void {
  const accounts = program.command('db-accounts').description('where SQL signs in, and as whom')
  const load = () => import('./db-accounts.js')
  accounts
    .command('ls')
    .description('list database accounts')
    .addOption(asJson())
    .action(async (options) => (await load()).listDbAccounts(terminal, options))
  accounts
    .command('show <name>')
    .description('show a database account')
    .addOption(asJson())
    .action(async (name, options) => (await load()).showDbAccount(terminal, name, options))
  accounts
    .command('set <name>')
    .description('make a database account, or change what is said of it')
    .option('--engine <engine>', 'postgresql or mysql')
    .option(
      '--host <host>',
      'as each target host sees it: a name, an address, the path of a socket; 127.0.0.1',
    )
    .option('--port <port>', "the engine's own if left out", parseCount)
    .option('--database <name>', 'that it works in')
    .option('--user <name>', 'that it signs in as')
    .option('--ssl-mode <mode>', 'disable, prefer, require or verify-full')
    .option('--ca-file <path>', 'on each host: whose certificates are good')
    .option('--secret <name>', 'name of the secret that is the password')
    .option('--no-secret', 'it has no password')
    .option('--description <text>', 'what it is for')
    .addOption(asJson())
    .action(async (name, options) => (await load()).setDbAccount(terminal, name, options))
  accounts
    .command('rm <name>')
    .description('remove a database account that no job names')
    .addOption(asJson())
    .action(async (name, options) => (await load()).removeDbAccount(terminal, name, options))
}
