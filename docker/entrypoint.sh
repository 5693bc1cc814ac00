#!/bin/sh
# The image's entry: `api`, `worker`, `gateway` or `agent`, and the role's own options after it; `gateway-secret NAME` prints one.
set -eu
home=${DROVER_HOME:-/opt/drover}

usage() {
  echo "usage: api | worker | gateway | agent [--version | --config-check], or gateway-secret NAME" >&2
  exit 64
}

[ $# -gt 0 ] || usage
role=$1
shift
case $role in
  # A burst lets the young generation grow to twice this, in MB, and stay.
  api) set -- node --max-semi-space-size=8 "$home/dist/api/main.js" "$@" ;;
  worker)
    : "${DROVER_WORKFLOW_BUNDLE:=$home/dist/workflow-bundle.js}"
    export DROVER_WORKFLOW_BUNDLE
    set -- node "$home/dist/workers/control-main.js" "$@"
    ;;
  gateway-secret) set -- node "$home/dist/workers/gateway-secret-main.js" "$@" ;;
  gateway) set -- node "$home/dist/workers/gateway-main.js" "$@" ;;
  # The heap is small on purpose: the agent is a guest on its host.
  agent) set -- node --max-old-space-size=64 "$home/dist/agent.cjs" "$@" ;;
  *) usage ;;
esac

[ $$ -eq 1 ] || exec "$@"

# As process 1 we inherit every orphan, and Node would leave them as zombies: this shell reaps them while it waits.
"$@" &
child=$!
trap 'kill -TERM "$child" 2>/dev/null' TERM
trap 'kill -INT "$child" 2>/dev/null' INT
while :; do
  code=0
  wait "$child" || code=$?
  # A signal ends the wait early; the child may still be draining.
  kill -0 "$child" 2>/dev/null || break
done
exit "$code"
