#!/bin/sh
# Becomes the process that SERVICE names: exec, so that signals reach it.
set -eu
# Memory stays near to what is held: large buffers go back to the system when they are freed, and V8's nursery has a bound.
export MALLOC_MMAP_THRESHOLD_="${MALLOC_MMAP_THRESHOLD_:-1048576}"
lean='--max-semi-space-size=16'
case "${SERVICE:-}" in
  gateway | orchestrator | model-caller | tool-runner) exec node "$lean" "services/$SERVICE/src/main.ts" ;;
  demo-model) exec node packages/demo-model/src/main.ts ;;
  migrate) exec node packages/cli/src/main.ts migrate ;;
esac
echo "SERVICE is '${SERVICE:-}'; it has to be gateway, orchestrator, model-caller, tool-runner, migrate or demo-model." >&2
exit 2
