#!/usr/bin/env bash
# Runs unit test programs (cmocka), one line each, with all that a failing one says, and the figures that any of them
# tells. The last line counts tests.
#
#     tests/unit.sh PROGRAM...
set -u

# One program takes seconds; one that hangs must not hang everything.
seconds_max=300
passed=0
failed=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT

for program in "$@"; do
    begin=$EPOCHREALTIME
    timeout "$seconds_max" "$program" >"$output" 2>&1
    status=$?
    took=$(awk -v begin="$begin" -v end="$EPOCHREALTIME" 'BEGIN { printf "%.1f", end - begin }')
    good=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test(s)\.$/\1/p' "$output" | awk '{ n += $1 } END { print n + 0 }')
    bad=$(sed -n 's/^\[  FAILED  \] \([0-9]*\) test(s), listed below:$/\1/p' "$output" | awk '{ n += $1 } END { print n + 0 }')
    # It may have died before it could count.
    if [ "$status" != 0 ] && [ "$bad" = 0 ]; then
        bad=1
    fi
    passed=$((passed + good))
    failed=$((failed + bad))
    if [ "$bad" != 0 ]; then
        cat "$output"
        echo "FAILED $program: $bad of $((good + bad)), exit status $status, $took s"
    else
        echo "ok     $program: $good tests, $took s"
        grep '^figures: ' "$output"
    fi
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
