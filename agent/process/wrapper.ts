/**
 * The wrapper: POSIX sh between the agent and a script. It claims the task, records who it is, runs the script, and
 * records the end, all without the agent. Its files are the documented protocol of docs/reference/spool.md.
 */

/** Exit status of a wrapper that lost the claim: somebody else decided about this task. */
export const CLAIM_LOST = 250

/** Files that the wrapper overwrites in place; the agent makes them first, so that a full disk cannot stop the record. */
export const RESERVED_BYTES = 48

// mkdir is the claim because it is atomic in every shell; `: > file` under `set -C` ends dash instead of failing.
// The script runs in the foreground: a background child of a shell would have SIGINT and SIGQUIT ignored for good.
// `1<>` overwrites without truncating and so needs no free block.
export const WRAPPER = `#!/bin/sh
# Drover task wrapper. Arguments: task folder, claim, cgroup.procs or -, setsid or -, then the command.
D=$1 C=$2 G=$3 S=$4
shift 4
umask 077
mkdir "$D/$C" 2>/dev/null || exit ${CLAIM_LOST}
pick() { shift 19; T=$1; }
read -r L < "/proc/$$/stat"
pick \${L##*) }
printf '%-${RESERVED_BYTES - 1}s\\n' "$$ $T" 1<> "$D/pid"
exec 3>&1 4>&2 >/dev/null 2>&1
(
  read -r P L < /proc/self/stat
  printf '%-${RESERVED_BYTES - 1}s\\n' "$P" 1<> "$D/group"
  [ "$G" = - ] || { echo 0 > "$G"; }
  umask 022
  exec >&3 2>&4 3>&- 4>&-
  if [ "$S" = - ]; then exec "$@"; fi
  exec "$S" "$@"
)
R=$?
read -r U L < /proc/uptime
printf '%-${RESERVED_BYTES - 1}s\\n' "$R $U" 1<> "$D/exit.tmp"
mv -f "$D/exit.tmp" "$D/exit"
exit 0
`
