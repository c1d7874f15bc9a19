#!/bin/sh
# tests/run.sh [STEP...]: the steps of `make test`, all or those that are named.
exec "$(dirname "$0")/run.py" test "$@"
