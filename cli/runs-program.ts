/** The commands on runs: looking at them, and acting on them. */
import { type Command, Option } from 'commander'
import { all, asJson } from './options.js'
import type { Terminal } from './terminal.js'
import { parseCount, parseDuration } from './values.js'

export function addRuns(program: Command, terminal: Terminal): void {
  const runs = program.command('runs').description('look at runs and act on them')
  runs
    .command('ls')
    .description('list runs, newest first')
    .option('--state <states>', 'running, failed, …; commas between several')
    .option('--limit <n>', 'how many', parseCount, 20)
    .addOption(asJson())
    .action(async (options) => (await import('./runs.js')).listRuns(terminal, options))
  runs
    .command('show <run>')
    .description('show a run: steps, counts, hosts that did not succeed')
    .addOption(asJson())
    .action(async (run, options) => (await import('./runs.js')).showRun(terminal, run, options))
  runs
    .command('watch <run>')
    .description('follow a run to its end, from wherever it is')
    .addOption(asJson())
    .action(async (run, options) => (await import('./run.js')).watch(terminal, run, options))
  runs
    .command('logs <run>')
    .description('print what hosts wrote')
    .option('--host <name>', 'only this host; repeat for more', all, [])
    .option('--step <n>', 'only this step, from 1', parseCount)
    .option('-f, --follow', 'go on until the run has ended')
    .addOption(asJson())
    .action(async (run, options) => (await import('./logs.js')).logs(terminal, run, options))
  runs
    .command('verdicts <run> <host>')
    .description('all that was said of a host: the end of each attempt, and what became known later')
    .option('--step <n>', 'which step, from 1', parseCount, 1)
    .addOption(asJson())
    .action(async (run, host, options) =>
      (await import('./verdicts.js')).showVerdicts(terminal, run, host, options),
    )
  runs
    .command('vars <run>')
    .description('what the variables of a run held, and who set them')
    .addOption(asJson())
    .action(async (run, options) => (await import('./variables.js')).showVariables(terminal, run, options))
  addLooks(runs, terminal)
  addOperations(runs, terminal)
}

/** Finding, comparing, taking away, doing again. */
function addLooks(runs: Command, terminal: Terminal): void {
  runs
    .command('search <run> <text>')
    .description('find lines in what the hosts wrote')
    .option('-E, --regex', "the text is a regular expression in RE2's syntax")
    .option('-i, --ignore-case', 'large and small letters are the same')
    .option('--host <name>', 'only this host')
    .option('--step <n>', 'only this step, from 1', parseCount)
    .option('--count', 'only how many lines match on each host')
    .option('--limit <n>', 'how many lines', parseCount, 100)
    .addOption(asJson())
    .action(async (run, text, options) => (await import('./search.js')).search(terminal, run, text, options))
  runs
    .command('groups <run>')
    .description(
      'what hosts wrote, folded: those that differ in times, ids and their names alone are one group',
    )
    .option('--step <n>', 'only this step, from 1', parseCount)
    .option('--exact', 'only hosts whose output is the same byte for byte are one group')
    .option('--tags', 'hosts by state and by what their scripts called it (job_success, drover-tag) alone')
    .addOption(asJson())
    .action(async (run, options) => (await import('./run-groups.js')).showGroups(terminal, run, options))
  runs
    .command('compare <run> [other]')
    .description(
      'what became of the hosts, beside an earlier run; with --hosts, what two hosts of the run wrote',
    )
    .option('--hosts <names>', 'two hosts, with a comma between them')
    .option('--exact', 'output is the same only byte for byte')
    .option('--step <n>', 'only this step, from 1', parseCount)
    .addOption(asJson())
    .action(async (run, other, options) =>
      (await import('./compare.js')).compare(terminal, run, other, options),
    )
  runs
    .command('export <run>')
    .description('print a row for each host of each step')
    .addOption(new Option('--format <format>', 'of the rows').choices(['jsonl', 'csv']).default('jsonl'))
    .action(async (run, options) => (await import('./runs.js')).exportRun(terminal, run, options))
  runs
    .command('redo <run>')
    .description('launch a run again, as it was or edited')
    .option('-t, --target <target>', 'other hosts; the same target is resolved anew if left out')
    .option('--same-hosts', 'exactly the hosts that it had')
    .option('--edit', 'open it in your editor first')
    .option('--file <file>', 'a document that --edit has left, instead of the run as it was')
    .option('--confirm <n>', 'say how many hosts you expect', parseCount)
    .option('--preview', 'show what would be done, to whom and for how long, and start nothing')
    .option('--digest <digest>', 'start only exactly what a preview showed')
    .option('--detach', 'print the id and do not follow')
    .option('--idempotency-key <key>', 'repeat it safely')
    .addOption(asJson())
    .action(async (run, options) => (await import('./redo.js')).redo(terminal, run, options))
}

function addOperations(runs: Command, terminal: Terminal): void {
  type Kind = 'cancel' | 'pause' | 'resume' | 'retry' | 'skip' | 'ignore' | 'next' | 'undo'
  const act = (kind: Kind, description: string) =>
    runs
      .command(`${kind} <run>`)
      .description(description)
      .option('--why <text>', 'for whoever reads the run later')
      .option('--idempotency-key <key>', 'repeat it safely')
      .addOption(asJson())
      .action(async (run, options) =>
        options.preview
          ? (await import('./undo.js')).showUndo(terminal, run, options)
          : (await import('./operate.js')).operate(terminal, kind, run, options),
      )
  act('cancel', 'stop a run and what runs of it')
  act('pause', 'start nothing new').option('--hard', 'also stop what runs')
  const edits = (command: Command) =>
    command
      .option('--edit', 'open the script in your editor first: the new attempts run what you make of it')
      .option('--file <file>', 'the new attempts run this script instead')
  edits(act('resume', 'go on with a paused run, or with what a cancel left')).option(
    '--step <n>',
    'with another script: the step that goes on, from 1',
    parseCount,
  )
  edits(act('retry', 'run the failed hosts again'))
    .option('--all', 'also the hosts that succeeded')
    .option('--step <n>', 'only hosts of this step, from 1', parseCount)
    .option('--include-unknown <n>', 'also the n hosts whose script may have run', parseCount)
  act('skip', 'go past a step, or leave hosts out of it')
    .requiredOption('--step <n>', 'which, from 1', parseCount)
    .option('--host <name>', 'only this host, by name or id; repeat for more', all, [])
  act('ignore', 'go on although a step failed; of one that runs: although it may').requiredOption(
    '--step <n>',
    'which, from 1',
    parseCount,
  )
  act('next', 'end what is left of the step, and go on with the next one').option(
    '--step <n>',
    'which you mean, from 1: refused if the run is past it',
    parseCount,
  )
  act('undo', 'take back what a run did that has ended or is paused, newest step first, where it took effect')
    .option('--preview', 'show which scripts would run on which hosts, and start nothing')
    .option('--include-unknown <n>', 'also on the n hosts whose script may have run', parseCount)
    .option('--leave-out-unknown <n>', 'not on the n hosts whose script may have run', parseCount)
  runs
    .command('cancel-all')
    .description('cancel every open run, or those that the options mean')
    .option('--state <states>', 'running, paused, …; commas between several')
    .option('--name <name>', 'runs that are called so; of a plan: deploy-site/staging')
    .option('--by <principal>', 'runs that were launched by')
    .option('--older-than <duration>', 'launched longer ago than 90s, 2m, 1h', parseDuration)
    .option('--confirm <n>', 'say how many runs you expect', parseCount)
    .option('--why <text>', 'for whoever reads the runs later')
    .option('--idempotency-key <key>', 'repeat it safely')
    .addOption(asJson())
    .action(async (options) => (await import('./operate.js')).cancelAll(terminal, options))
}
