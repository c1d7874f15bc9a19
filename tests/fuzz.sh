#!/usr/bin/env bash
# Runs fuzzers, all at once, for as long as it takes to give each SECONDS of a processor; fuzz_NAME with the dictionary
# tests/fuzz/NAME.dict and the inputs of tests/fuzz/corpus/NAME/ where there are such. What makes one fail is left in the
# folder of the fuzzer. The last line counts fuzzers.
#
#     tests/fuzz.sh SECONDS FUZZER...
set -u

seconds=$1
shift
processors=$(nproc)
if [ "$processors" -lt $# ]; then
    seconds=$(((seconds * $# + processors - 1) / processors))
fi
passed=0
failed=0
figures=
declare -A running
trap 'jobs=$(jobs -p); [ -z "$jobs" ] || kill $jobs' EXIT # when interrupted
trap 'exit 1' INT TERM

echo "$# fuzzers for $seconds s, $processors at a time"
for fuzzer in "$@"; do
    name=${fuzzer##*/}
    options=("-max_total_time=$seconds" "-artifact_prefix=$(dirname "$fuzzer")/$name-" -print_final_stats=1 -verbosity=0)
    dictionary=tests/fuzz/${name#fuzz_}.dict
    if [ -e "$dictionary" ]; then
        options+=("-dict=$dictionary")
    fi
    # What is found goes to a folder of its own, not to the corpus that is kept.
    found=$fuzzer.found
    rm -rf "$found"
    mkdir "$found"
    options+=("$found")
    corpus=tests/fuzz/corpus/${name#fuzz_}
    if [ -d "$corpus" ]; then
        options+=("$corpus")
    fi
    "$fuzzer" "${options[@]}" >"$fuzzer.log" 2>&1 &
    running[$fuzzer]=$!
done

for fuzzer in "$@"; do
    name=${fuzzer##*/}
    if wait "${running[$fuzzer]}"; then
        passed=$((passed + 1))
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$fuzzer.log")
        echo "ok     $name: $runs inputs in $seconds s"
        figures+="${figures:+, }$runs inputs to $name"
    else
        failed=$((failed + 1))
        tail -n 60 "$fuzzer.log"
        echo "FAILED $name"
    fi
done

echo "figures: $figures"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
