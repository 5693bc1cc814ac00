/**
 * The watchdog: a tiny shell process that outlives the stack by seconds and leaves nothing of it behind. It reads a pipe
 * whose only writer is the stack's process; the end of the pipe without a `bye` means that the stack was killed.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { Socket } from 'node:net'

// Lines: `group <pgid> <signal>` adds a child group with the signal that ends it cleanly, `gone <pgid>` removes it,
// `folder <path>` is removed at the end. $1 is the marker `DROVER_STACK=<id>`. The sweep is repeated because a process may
// fork while it is looked for. Agents' tasks have cgroups, which outlive their processes as empty folders: they are noted
// before the kill and removed after it.
const script = `
groups= folders= cgroups=
newline='
'
marked() { grep -lszxF "$1" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3; }
cgroups_of() { for p in $1; do sed -n 's/^[0-9]*:[^:]*:\\(.*drover-task-.*\\)/\\1/p' "/proc/$p/cgroup" 2>/dev/null; done | sort -u; }
finish() {
  for c in $cgroups; do
    for mount in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/freezer; do rmdir "$mount$c" 2>/dev/null; done
  done
  printf '%s' "$folders" | while IFS= read -r folder; do [ -n "$folder" ] && rm -rf -- "$folder"; done
  exit 0
}
while read -r word rest; do
  case $word in
    folder) folders="$folders$rest$newline" ;;
    group) groups="$groups \${rest% *}:\${rest#* }" ;;
    gone) kept=; for g in $groups; do case $g in $rest:*) ;; *) kept="$kept $g" ;; esac; done; groups=$kept ;;
    bye) exit 0 ;;
  esac
done
cgroups=$(cgroups_of "$(marked "$1")")
for g in $groups; do kill -s "\${g#*:}" -- "-\${g%:*}" 2>/dev/null; done
for i in 1 2 3 4 5 6 7 8; do
  sleep 0.25
  [ -z "$(marked "$1")" ] && finish
done
for i in 1 2 3 4 5 6 7 8 9 10; do
  for g in $groups; do kill -s KILL -- "-\${g%:*}" 2>/dev/null; done
  pids=$(marked "$1")
  [ -z "$pids" ] && finish
  kill -s KILL $pids 2>/dev/null
  sleep 0.2
done
finish
`

export interface Watchdog {
  /** Tells of a child's process group and the signal that ends it cleanly. */
  add(group: number, signal: NodeJS.Signals): void
  remove(group: number): void
  /** A temporary folder that nobody else would remove. */
  removeAtEnd(folder: string): void
  /** The stack ended by itself: the watchdog goes, too. */
  dismiss(): void
}

/** @param marker the environment entry that every child carries, as `DROVER_STACK=<id>` */
export function startWatchdog(marker: string): Watchdog {
  const groups = new Map<number, string>()
  const folders = new Set<string>()
  let dismissed = false
  let shell = launch()

  function launch(): ChildProcess {
    // Detached: a Ctrl-C on the terminal is not for it. Without our environment: it must not carry the marker.
    const child = spawn('/bin/sh', ['-c', script, 'drover-watchdog', marker], {
      detached: true,
      cwd: '/',
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
    })
    child.stdin?.on('error', () => undefined)
    // Neither the process nor the pipe may keep a finished stack alive.
    child.unref()
    if (child.stdin instanceof Socket) child.stdin.unref()
    const startedAt = Date.now()
    // Killed by somebody: without it a kill of the stack would leave children, so there is always one.
    child.on('exit', () => {
      // One that cannot even start is not tried for ever.
      if (dismissed || Date.now() - startedAt < 100) return
      shell = launch()
      for (const [group, signal] of groups) write(`group ${group} ${signal}`)
      for (const folder of folders) write(`folder ${folder}`)
    })
    return child
  }

  function write(line: string): void {
    shell.stdin?.write(`${line}\n`)
  }

  return {
    add(group, signal) {
      const short = signal.replace(/^SIG/, '')
      groups.set(group, short)
      write(`group ${group} ${short}`)
    },
    remove(group) {
      if (groups.delete(group)) write(`gone ${group}`)
    },
    removeAtEnd(folder) {
      folders.add(folder)
      write(`folder ${folder}`)
    },
    dismiss() {
      dismissed = true
      shell.stdin?.end('bye\n')
    },
  }
}
