/**
 * The supervisor: POSIX sh that starts the agent from the versions folder, gives a new version its probation, and goes
 * back to the old one. A shell because it stays for ever: 1 MB beside the 40 MB of a second Node, and nothing of a
 * bundle is in it. The files between it and the agent are the documented protocol of docs/operations/agent-upgrade.md.
 */

/** Version of the protocol between supervisor and agent; the supervisor names it to the agent. */
export const SUPERVISOR_PROTOCOL = 1

/** Probation where no order says another: with the restart of the old version it stays within a minute. */
export const PROBATION_MS = 45_000

// Every step is one rename, and `trying` stands for "this version has not shown anything yet": whoever finds it at a
// start goes back. Only the agent flushes, once it has a session; until then a power cut may take a rename back, which
// leads to one of the states before it, and each of those starts an agent that worked.
//
// Functions, and one call on the last line: a shell reads its script as it goes, so a file that is replaced in place must
// have been read to its end.
export const SUPERVISOR = `#!/bin/sh
# Drover agent supervisor. Arguments: Node, the installed agent (agent.cjs).
set -u
umask 077

say() { printf '{"level":"%s","name":"agent:supervisor","pid":%s,"msg":"%s"}\\n' "$1" "$$" "$2" >&2; }

# Reads process $1: its state into Z, the tick at which it started into T; both are empty when it is gone.
look() {
  Z= T= L=
  [ -r "/proc/$1/stat" ] || return 0
  { read -r L < "/proc/$1/stat"; } 2>/dev/null || return 0
  set -- \${L##*) }
  Z=$1
  shift 19
  T=$1
}
# Whether process $1 runs and started at tick $2 of boot $3.
lives() {
  look "\${1:-0}"
  [ -n "$T" ] && [ "$T" = "$2" ] && [ "$3" = "$BOOT" ] && [ "$Z" != Z ] && [ "$Z" != X ]
}
uptime() { read -r U L < /proc/uptime; U=\${U%.*}; }
doze() { { sleep "$1" || sleep 1; } >/dev/null 2>&1 & wait "$!" 2>/dev/null || :; }

# Sets N to the version that file $1 names; empty if there is none or its bundle is gone.
named() {
  N=
  [ -r "$V/$1" ] || return 0
  read -r N L < "$V/$1" || :
  case $N in *[!0-9a-f]*) N= ;; esac
  [ -f "$V/\${N:-none}.cjs" ] || N=
}
# Replaces file $1 by the line $2.
put() { printf '%s\\n' "$2" > "$V/$1.tmp" && mv -f "$V/$1.tmp" "$V/$1"; }

# One supervisor a folder: a link whose text names its holder is made in one step.
lock() {
  while ! ln -s "$ME" "$V/supervisor" 2>/dev/null; do
    H=$(readlink "$V/supervisor") || { [ -w "$V" ] || { say fatal "cannot write $V"; exit 1; }; continue; }
    if lives "\${H%%:*}" "$(echo "$H" | cut -d: -f2)" "\${H##*:}"; then
      say fatal "another supervisor runs (pid \${H%%:*})"
      exit 1
    fi
    mv -f "$V/supervisor" "$V/supervisor.$$" 2>/dev/null && rm -f "$V/supervisor.$$"
  done
}

# Ends the agent named by $1 (pid:tick:boot) if it still runs: one that an earlier supervisor left behind.
end_left() {
  OLD=\${1%%:*} OLD_BOOT=\${1##*:} OLD_TICK=\${1%:*}
  OLD_TICK=\${OLD_TICK#*:}
  lives "$OLD" "$OLD_TICK" "$OLD_BOOT" || return 0
  say warn "ending the agent that an earlier supervisor left (pid $OLD)"
  kill -TERM "$OLD" 2>/dev/null
  uptime
  OLD_UNTIL=$((U + 8))
  while lives "$OLD" "$OLD_TICK" "$OLD_BOOT"; do
    uptime
    [ "$U" -lt "$OLD_UNTIL" ] || kill -KILL "$OLD" 2>/dev/null
    doze 0.2
  done
}
take_over() {
  H=
  [ ! -r "$V/agent" ] || read -r H < "$V/agent" || :
  [ -z "$H" ] || end_left "$H"
  H=$(readlink "$S/lock" 2>/dev/null) && end_left "$H"
  return 0
}

# Starts version N, or the installed agent if N is empty; sets A.
start() {
  take_over
  F=$SEED
  [ -z "$N" ] || F=$V/$N.cjs
  DROVER_AGENT_SUPERVISED="${SUPERVISOR_PROTOCOL}:\${N:-installed}" "$NODE" --max-old-space-size=64 "$F" &
  A=$!
  look "$A"
  put agent "$A:$T:$BOOT" || :
  # A signal that came before there was anybody to pass it on to.
  [ -z "$STOP" ] || kill -TERM "$A"
}
# Waits for the end of A; its status into R. A signal to this shell cuts a wait short.
finish() {
  while :; do
    wait "$A"
    R=$?
    [ "$R" -ne 127 ] || break
    look "$A"
    case $Z in '' | Z | X) break ;; esac
  done
  A=
}

promote() {
  named current
  [ -z "$N" ] || [ "$N" = "$W" ] || put previous "$N"
  mv -f "$V/trying" "$V/current"
  say info "version $W is good"
}
# Goes back, and says why in $1: the agent tells the control plane.
roll_back() {
  say error "version $W did not get a session ($1): going back"
  put failed "$W $1" || :
  rm -f "$V/trying" "$V/good"
}

# Runs version N, which is named by trying, until it is good, dead or late.
probation() {
  W=$N
  P=${PROBATION_MS / 1000}
  [ ! -r "$V/probation" ] || read -r P < "$V/probation" || :
  case $P in '' | *[!0-9]*) P=${PROBATION_MS / 1000} ;; esac
  [ "$P" -le 60 ] || P=60
  say info "trying version $W for $P s"
  start
  uptime
  # A second more, for uptime is cut to whole ones.
  E=$((U + P + 1))
  while :; do
    look "$A"
    case $Z in '' | Z | X)
      finish
      [ -n "$STOP" ] || roll_back "crashed $R"
      break ;;
    esac
    named good
    if [ "$N" = "$W" ]; then
      promote
      finish
      break
    fi
    uptime
    if [ "$U" -ge "$E" ]; then
      kill -KILL "$A"
      finish
      roll_back "no_session $P"
      break
    fi
    doze 0.2
  done
  # Asked to stop in the middle: it gets its probation at the next start.
  [ -z "$STOP" ] || [ ! -f "$V/trying" ] || mv -f "$V/trying" "$V/next"
}

# Which version to run: the good one; after each five quick deaths in a row the one before it, then the installed one.
choose() {
  named previous
  O=$N
  named current
  case $((DEATHS / 5 % 3)) in
    0) N=\${N:-$O} ;;
    1) N=$O ;;
    2) N= ;;
  esac
}

main() {
  NODE=$1 SEED=$2
  S=\${DROVER_AGENT_STATE:-/var/lib/drover-agent}
  V=$S/versions
  A= STOP= DEATHS=0
  read -r BOOT < "\${DROVER_AGENT_BOOT_ID_FILE:-/proc/sys/kernel/random/boot_id}"
  mkdir -p "$V" || exit 1
  look "$$"
  ME=$$:$T:$BOOT
  lock
  trap 'STOP=1; [ -z "$A" ] || kill -TERM "$A" 2>/dev/null' TERM INT HUP
  take_over
  if [ -f "$V/trying" ]; then
    named good
    W=$N
    named trying
    if [ -n "$N" ] && [ "$N" = "$W" ]; then
      promote
    else
      read -r W L < "$V/trying" || :
      roll_back interrupted
    fi
  fi
  while [ -z "$STOP" ]; do
    if [ -f "$V/next" ]; then
      rm -f "$V/good" "$V/failed"
      mv -f "$V/next" "$V/trying"
      named trying
      if [ -n "$N" ]; then
        probation
      else
        read -r W L < "$V/trying" || :
        roll_back missing
      fi
      continue
    fi
    choose
    uptime
    E=$U
    start
    finish
    [ -z "$STOP" ] || break
    [ ! -f "$V/next" ] || { DEATHS=0; continue; }
    # Wrong settings, or a join that was refused for good: starting again cannot help.
    case $R in 2 | 3) exit "$R" ;; esac
    uptime
    if [ "$((U - E))" -ge 30 ]; then DEATHS=0; else DEATHS=$((DEATHS + 1)); fi
    say error "the agent ended with status $R; starting it again"
    I=$((DEATHS < 5 ? DEATHS : 5))
    doze "$((1 << I >> 1))"
  done
  rm -f "$V/agent" "$V/supervisor"
  exit 0
}

main "$@"
exit
`
