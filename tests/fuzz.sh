#!/usr/bin/env bash
# Runs fuzzers for a while each, with tests/fuzz/NAME.dict for fuzz_NAME where there is one. What makes one fail is left
# in the folder of the fuzzer. The last line counts fuzzers.
#
#     tests/fuzz.sh SECONDS FUZZER...
set -u

seconds=$1
shift
passed=0
failed=0

for fuzzer in "$@"; do
    name=$(basename "$fuzzer")
    dictionary=tests/fuzz/${name#fuzz_}.dict
    options=("-max_total_time=$seconds" "-artifact_prefix=$(dirname "$fuzzer")/$name-" -print_final_stats=1 -verbosity=0)
    if [ -e "$dictionary" ]; then
        options+=("-dict=$dictionary")
    fi
    output=$fuzzer.log
    if "$fuzzer" "${options[@]}" >"$output" 2>&1; then
        passed=$((passed + 1))
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$output")
        echo "ok     $name: $runs inputs in $seconds s"
    else
        failed=$((failed + 1))
        tail -n 60 "$output"
        echo "FAILED $name"
    fi
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
