#!/usr/bin/env bash
# Everything that `make test` runs: steps with a heading and a time each, then a table, and as the last line how many
# tests passed and failed. Ends with status 1 if any did.
#
#     tests/run.sh [STEP...]        all steps, or those that are named
#
# BUILD is where to build (build). What the steps print is also kept in $BUILD/test-logs/.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A make of our own, with its own jobs.
unset MAKEFLAGS MFLAGS MAKELEVEL
export BUILD=${BUILD:-build}
logs=$BUILD/test-logs
mkdir -p "$logs"
only=" $* "
total_passed=0
total_failed=0
table=()

# How many tests passed and failed: what the last line that counts says ("3 passed, 1 failed", pytest's "= 2 failed, 5
# passed, 1 skipped in 3.21s ="). A step that counts nothing is one test.
count() {
    local log=$1 status=$2 line
    line=$(grep -E '(^|[ =])[0-9]+ (passed|failed|error|errors)\b' "$log" | tail -n 1)
    passed=$(grep -oE '[0-9]+ passed' <<<"$line" | grep -oE '[0-9]+')
    failed=$(grep -oE '[0-9]+ (failed|errors?)' <<<"$line" | awk '{ n += $1 } END { print n + 0 }')
    passed=${passed:-0}
    if [ "$status" != 0 ] && [ "$failed" = 0 ]; then
        failed=1
    elif [ "$status" = 0 ] && [ -z "$line" ]; then
        passed=1
    fi
}

# step NAME WHAT COMMAND...
step() {
    local name=$1 what=$2 begin=$EPOCHREALTIME log=$logs/$1.log status took
    shift 2
    if [ "$only" != "  " ] && [[ $only != *" $name "* ]]; then
        return 0
    fi
    printf '\n=== %s: %s\n' "$name" "$what"
    "$@" 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    took=$(awk -v begin="$begin" -v end="$EPOCHREALTIME" 'BEGIN { printf "%.1f", end - begin }')
    count "$log" "$status"
    total_passed=$((total_passed + passed))
    total_failed=$((total_failed + failed))
    table+=("$(printf '%-12s %6s passed %4s failed %8s s' "$name" "$passed" "$failed" "$took")")
    return "$status"
}

# Prints commands only when they fail, so that what matters can be seen.
quietly() {
    local output
    output=$("$@" 2>&1) || {
        printf '%s\n' "$output"
        return 1
    }
}

# pytest FOLDER: with the Python that Debian's packages belong to. A folder without tests is fine.
pytest() {
    /usr/bin/python3 -m pytest -q -p no:cacheprovider --server="$BUILD/dkv-server" "$1"
    local status=$?
    [ "$status" = 5 ] && status=0
    return "$status"
}

make=(make --no-print-directory V=q)

step format "clang-format agrees with every source" quietly "${make[@]}" format-check
if step build "gcc, no warnings" quietly "${make[@]}" all unit-build load; then
    step unit "unit tests" "${make[@]}" unit
    step process "the real server: kill, stop, restart" pytest tests/process
    step faults "the real server: failing calls, full disks, dead children, linearizability" pytest tests/faults
    step redis-tests "clients, tools and redis-server cannot tell" pytest redis-tests
    step bench "each case of the bench runs and gives figures" "${make[@]}" -j1 bench-short
fi
step sim "the simulator: seeds that failed once, then fresh ones" "${make[@]}" -j1 sim-seeds sim SECONDS=60
step clang "clang, no warnings" quietly "${make[@]}" clang
step sanitize "unit tests under sanitizers" "${make[@]}" sanitize
step fuzz "fuzzers, a few seconds each" "${make[@]}" fuzz

printf '\n=== summary\n'
printf '%s\n' "${table[@]}"
echo "$total_passed passed, $total_failed failed"
[ "$total_failed" = 0 ]
