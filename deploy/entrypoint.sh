#!/bin/sh
# Becomes the process that SERVICE names: exec, so that signals reach it.
set -eu
case "${SERVICE:-}" in
  gateway | orchestrator | model-caller | tool-runner) exec node "services/$SERVICE/src/main.ts" ;;
  demo-model) exec node packages/demo-model/src/main.ts ;;
  migrate) exec node packages/cli/src/main.ts migrate ;;
esac
echo "SERVICE is '${SERVICE:-}'; it has to be gateway, orchestrator, model-caller, tool-runner, migrate or demo-model." >&2
exit 2
