/**
 * The wrapper: POSIX sh between the agent and a script. It claims the task, records who it is, runs the script, copies
 * its output into the task's files, and records the end, all without the agent. Its files are the documented protocol of
 * docs/reference/spool.md.
 */

/** Exit status of a wrapper that lost the claim: somebody else decided about this task. */
export const CLAIM_LOST = 250

/** Exit status of what was to become a script, and could not write that it did: nothing runs without its record. */
export const NO_RECORD = 251

/** Files that the wrapper overwrites in place; the agent makes them first, so that a full disk cannot stop the record. */
export const RESERVED_BYTES = 48

/** Folder in a task's folder with the FIFOs `stdout` and `stderr` that its script writes into. */
export const PIPES = 'pipes'

/** File in a task's folder with the path of its folder of secrets, which goes with the end of the script. */
export const SECRETS = 'secrets'

/** File beside an output file that has the pid of its copier, and over it whatever the copier complains of. */
export function copierFile(stream: string): string {
  return `${stream}.copier`
}

/** What the wrapper writes there when the copier ended with an error, or was killed. */
const LOST = 'lost'

/** Whether such a file tells that output did not reach the other: no room, over its limit, or the copier was killed. */
export function tellsLoss(copier: string): boolean {
  return !/^\d*\s*$/.test(copier)
}

/** Its name, with the version of its arguments: a shell that is just starting must read the text that it was started for. */
export const WRAPPER_FILE = 'wrapper.2.sh'

// mkdir is the claim because it is atomic in every shell, also where the agent has made it void by a link, for which POSIX lets
// `set -C` do as it likes. And a shell that cannot start it (no process is left) has claimed nothing.
// A command file that this account may read becomes the script without a shell of its own in between.
// The script runs in the foreground: a background child of a shell would have SIGINT and SIGQUIT ignored for good.
// `1<>` overwrites without truncating and so needs no free block.
//
// The script writes into FIFOs and not into the files, because scripts open /dev/stderr anew by `>`, which would truncate
// a file. FIFOs with a name and an owner, because another account could not open a nameless pipe of root again. They lie
// in a folder of their own, where the agent does not watch for changes. Each open waits for the other end. The agent brings
// them from its stock; where that was empty they are made here.
//
// A copier is a tee whose second file is /dev/null: it reads on when the first one takes no more, so that a script is
// neither blocked nor signalled by a full disk, and complains into a file of its own. The end of the script is not the end of
// the pipe when a daemon holds it. Whether all that was written before is in the file is then told by the state of tee:
// the kernel makes a sleeping reader runnable before write() returns, so a tee seen asleep has read an empty pipe. A daemon
// that never lets it sleep has pushed everything through once the file grew by more than a pipe (1 MiB at most by default)
// and the buffer of tee can hold. Another reader takes over from it then, without a moment in which there is none.
// Four looks, because processes that die let go of the pipe a moment after nobody finds them any more.
// `(:)` makes way: the copiers were woken on this processor and would else wait for the end of our time slice (1.5 ms).
export const WRAPPER = `#!/bin/sh
# Drover task wrapper. Arguments: task folder, claim, cgroup.procs or -, setsid or -, owner of the output or -,
# limit of an output file in blocks of 512 bytes or -, a command file to read or -, the command if there is none.
D=$1 C=$2 G=$3 S=$4 O=$5 B=$6 W=$7
shift 7
umask 077
F=$D/${PIPES}
mkdir "$D/$C" 2>/dev/null || exit ${CLAIM_LOST}
pick() { shift 19; T=$1; }
read -r L < "/proc/$$/stat"
pick \${L##*) }
note() { printf '%-${RESERVED_BYTES - 1}s\\n' "$1" 1<> "$D/$2"; }
note "$$ $T" pid
exec >/dev/null 2>&1

copy() {
  trap '' HUP INT QUIT TERM XFSZ
  [ "$B" = - ] || ulimit -f "$B"
  exec tee /dev/null 2<> "$D/$1.copier" <&5 5<&- >> "$D/$1"
}
fifos() {
  [ ! -p "$F/stdout" ] || [ ! -p "$F/stderr" ] || return 0
  mkfifo "$F/stdout" "$F/stderr" && { [ "$O" = - ] || chown "$O" "$F/stdout" "$F/stderr"; }
}
if fifos; then
  copy stdout 5< "$F/stdout" &
  P=$!
  copy stderr 5< "$F/stderr" &
  Q=$!
  note "$P" stdout.copier
  note "$Q" stderr.copier
  exec 3> "$F/stdout" 4> "$F/stderr"
else
  P='' Q=''
  exec 3>> "$D/stdout" 4>> "$D/stderr"
fi
(
  read -r L R < /proc/self/stat
  note "$L" group || exit ${NO_RECORD}
  [ "$G" = - ] || { echo 0 > "$G"; }
  # A dump of its memory would have them; a limit does not hold for dumps that go into a pipe.
  [ ! -f "$D/${SECRETS}" ] || { ulimit -c 0; echo 0 > /proc/self/coredump_filter; }
  umask 022
  exec >&3 2>&4 3>&- 4>&-
  [ "$S" = - ] || set -- "$S" "$@"
  if [ "$W" = - ]; then exec "$@"; fi
  . "$W"
  exit 126
)
R=$?
read -r U L < /proc/uptime
exec 3>&- 4>&-

# The state of a process, empty when it is gone. From status, for read takes a system call a byte and stat is long.
state() {
  while read -r N L M; do
    [ "$N" != State: ] || return 0
  done < "/proc/$1/status"
  L=
}
# Lets a daemon that holds a pipe write to nobody from now on. Opened for both first: else each end would wait for the other.
# The redirections are those of a group, for where they fail exec would end this shell before it has recorded the end.
forget() {
  {
    kill -KILL "$1"
    (
      trap '' HUP INT QUIT TERM
      unset DROVER_TASK DROVER_JOURNAL
      exec cat <&6 5>&- 6<&-
    ) &
  } 5<> "$F/$2" 6< "$F/$2"
}
# Waits until all that was written so far is in the file, ten seconds at most if nothing moves. Arguments: copier, stream.
drain() {
  I=0 A= H=0
  while [ "$I" -lt 1000 ]; do
    L=
    state "$1"
    case $L in
      S)
        H=$((H + 1))
        [ "$H" -lt 4 ] || { forget "$1" "$2"; return; } ;;
      '' | Z | X)
        wait "$1" || note ${LOST} "$2.copier"
        return ;;
      *)
        K= N=
        read -r K < "$D/$2.copier"
        read -r L N < "/proc/$1/fdinfo/1"
        A=\${A:-$N}
        # A copier that complains copies no more; a blank file is one that could not be written.
        case $K in '' | "$1") ;; *) forget "$1" "$2"; return ;; esac
        [ "\${N:-0}" -le "$((\${A:-0} + 2097152))" ] || { forget "$1" "$2"; return; } ;;
    esac
    I=$((I + 1))
    if [ "$I" -lt 30 ]; then (:); else sleep 0.01 || sleep 1; fi
  done
}
if [ -n "$P" ]; then
  (:)
  drain "$P" stdout
  drain "$Q" stderr
fi
if [ -f "$D/${SECRETS}" ]; then
  X=
  read -r X < "$D/${SECRETS}"
  [ -z "$X" ] || rm -rf "$X"
fi
note "$R $U" exit
exit 0
`
