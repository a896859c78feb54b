# `npm start`: the sources under the flags of the image, which stand in Dockerfile with their reasons.
# Each step is an exec, so that the signals which npm passes on reach the service and not a shell.
flags=$(sed -nE 's/^ENTRYPOINT \["node", "(.+)"\]$/\1/p' .deploy/Dockerfile | sed 's/", "/ /g')
[ -n "$flags" ] || { echo ".deploy/Dockerfile has no ENTRYPOINT with Node's flags" >&2; exit 1; }
# A core dump holds every key.
ulimit -c 0
# Unquoted: the flags are words.
exec node $flags --import ./src/postgres/register-driver-guard.ts src/main.ts "$@"
