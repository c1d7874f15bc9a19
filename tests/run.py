#!/usr/bin/python3
"""Runs tests in steps, with a heading, a time and a log each, and ends in a table. Exit status 1 if anything failed.

    tests/run.py test [STEP...]       what `make test` runs: all steps, or those that are named
    tests/run.py prove [STEP...]      what `make prove` runs: what stands for the promises D1 to D13, long and with figures
    tests/run.py prove --list         the steps and how long each takes

BUILD is where to build (build). What the steps print is kept in $BUILD/test-logs/, the outcome of `prove` also in
$BUILD/prove.json. Steps tell how many tests passed and failed in a last line that counts ("3 passed, 1 failed", as
pytest does), and what they tried in lines that begin with "figures: " ("figures: 12 kill rounds, 3 deaths")."""

import argparse
import collections
import json
import os
import pathlib
import re
import select
import shlex
import signal
import subprocess
import sys
import textwrap
import time

os.chdir(pathlib.Path(__file__).resolve().parent.parent)
BUILD = os.environ.setdefault("BUILD", "build")
LOGS = pathlib.Path(BUILD) / "test-logs"
PROCESSORS = os.cpu_count() or 1
FUZZERS = len(list(pathlib.Path("tests/fuzz").glob("fuzz_*.c")))
# Of redis-tests, what makes the server do most of what it can do.
SANITIZED = ["bad_input", "differential", "values", "messages", "acl", "acl_files"]
# What does much with values, and asks for no default.
LOW_THRESHOLD = ["values", "transactions", "migrate", "commands", "http", "messages"]
# After so long without a word from a step it is told that it goes on.
QUIET_SECONDS_MAX = 60

PROMISES = {
    "D1": "an acknowledged write is there after any crash (always)",
    "D2": "nobody is shown what a crash could take back (always)",
    "D3": "at most a second is lost in a power failure, nothing in a process crash (everysec)",
    "D4": "nothing is lost in a process crash (no)",
    "D5": "what is recovered is a prefix of what ran: no gap, no reordering",
    "D6": "a transaction is there wholly or not at all",
    "D7": "damage is detected and named, never served, never skipped unasked",
    "D8": "a torn tail is told from damage, and dropped by itself",
    "D9": "what has expired stays expired; times to live go on while the server is down",
    "D10": "an interrupted rewrite, rotation or stop loses nothing and leaves nothing over",
    "D11": "after a failed write or sync nothing that it covered is acknowledged",
    "D12": "a full disk loses nothing: writes are refused, reads go on, writes resume",
    "D13": "two servers never write one folder",
}
ALL = list(PROMISES)

# about: seconds it takes on two processors; quiet: its output matters only when it fails.
Step = collections.namedtuple("Step", "name what command about promises quiet", defaults=(0, (), False))
Outcome = collections.namedtuple("Outcome", "step ok tests seconds figures")


def make(*arguments):
    return ["make", "--no-print-directory", "V=q", *arguments]


def pytest(*arguments):
    """With the Python that Debian's packages belong to."""
    return ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--server={BUILD}/dkv-server", *arguments]


def test_steps(given):
    return [
        Step("format", "clang-format agrees with every source", make("format-check"), quiet=True),
        Step("mutations", "what breaks the server on purpose still applies", ["tests/sim/mutations/run.py", "--check"]),
        Step("build", "gcc, no warnings", make("all", "unit-build", "load"), quiet=True),
        Step("unit", "unit tests", make("unit")),
        Step("process", "the real server: kill, stop, restart", pytest("tests/process")),
        Step("faults", "the real server: failing calls, full disks, dead children, linearizability", pytest("tests/faults")),
        Step("redis-tests", "clients, tools and redis-server cannot tell", pytest("redis-tests")),
        Step("bench", "each case of the bench runs and gives figures", make("-j1", "bench-short")),
        Step("sim", "the simulator: seeds that failed once, then fresh ones", make("-j1", "sim-seeds", "sim", "SECONDS=60")),
        Step("clang", "clang, no warnings", make("clang"), quiet=True),
        Step("sanitize", "unit tests under sanitizers", make("sanitize")),
        Step("sim-sanitize", "the simulator under sanitizers", make("sim-sanitize", "SECONDS=20")),
        Step("bad-input", "bad input for every command, and clients' commands, to a server under sanitizers",
             sanitized(*[f"redis-tests/test_{name}.py" for name in SANITIZED])),
        Step("kill-sanitize", "the real server under sanitizers: kill, stop, restart, large values",
             sanitized("--rounds=2", "-k", "not test_memory_of", *[f"tests/process/test_{name}.py" for name in ("kill", "stop", "large_values")])),
        Step("fuzz", f"fuzzers, {given.fuzz_seconds} s each", make("fuzz", f"FUZZ_SECONDS={given.fuzz_seconds}")),
    ]  # fmt: skip


def sanitized(*arguments):
    return pytest(f"--server={BUILD}/asan/dkv-server", *arguments)


def threads():
    made = make("all", "unit", f"BUILD={BUILD}/tsan", "SANITIZE=thread", "UNIT_SOURCES=tests/unit/journal/test_thread.c")
    killed = pytest(f"--server={BUILD}/tsan/dkv-server", "--rounds=4", "tests/process/test_kill.py")
    return ["sh", "-c", f"{shlex.join(made)} && {shlex.join(killed)}"]


def prove_steps(given):
    full = [] if given.quick else ["--full"]
    long = lambda quick, whole: quick if given.quick else whole
    verdicts = f"{BUILD}/mutations.json"
    process = [f"tests/process/test_{name}.py" for name in ("kill", "stop", "checker")]
    tool = [f"tests/process/test_{name}.py" for name in ("log_tool", "log_tool_redis", "tool_truth")]
    everything = long(process, ["tests/process", "tests/faults", "redis-tests"])
    units = "tests/unit/journal/test_reader.c tests/unit/tools/test_repair.c"
    return [
        Step("build", "the programs and what tests them", make("all", "load", "sim-build"), 60, quiet=True),
        Step("reader", "a small log with every byte changed and every length cut; repairs, also interrupted ones",
             make("unit", f"UNIT_SOURCES={units}"), 15, ["D7", "D8"]),
        Step("seeds", "every seed that ever failed in the simulator", make("sim-seeds"), 5, ALL),
        Step("sim", "the simulator from a fresh seed: crashes, faults and rot at any call of a simulated disk",
             make("sim", f"SECONDS={given.seconds}"), given.seconds, ALL),
        Step("sim-sanitize", "the same under the address and undefined-behaviour sanitizers",
             make("sim-sanitize", f"SECONDS={given.seconds}"), given.seconds + 60, ALL),
        Step("mutations", "the server broken on purpose, one way at a time: each is noticed",
             ["tests/sim/mutations/run.py", "--json", verdicts], 360 * 2 // min(PROCESSORS, 8) + 60, ALL),
        Step("kill", "the real server: SIGKILL at random moments, every acknowledged write looked up",
             pytest(*full, *process), long(45, 160), ["D1", "D2", "D3", "D4", "D5", "D6", "D10", "D13"]),
        Step("faults", "the real server: failing calls, power cut to unsynced data, full disks, dead children, one order "
             "that explains all replies", pytest(*full, "tests/faults"), long(120, 1500),
             ["D1", "D2", "D5", "D10", "D11", "D12"]),
        Step("sanitized", "the real server under sanitizers: all of the above, and what clients send",
             ["sh", "-c", f"{shlex.join(make('sanitize'))} && {shlex.join(sanitized(*everything))}"],
             long(300, 1500), ALL),
        Step("sanitized-low", "the same with small values in files of their own, read when they are needed",
             ["sh", "-c", f"{shlex.join(make(f'BUILD={BUILD}/asan', 'SANITIZE=address,undefined', 'all'))} && "
              + shlex.join(sanitized("--set=value-file-threshold=16kb", "--set=value-load=first-use",
                                     *[f"redis-tests/test_{name}.py" for name in LOW_THRESHOLD]))], 120, ALL),
        Step("threads", "the threads that write, read values and free, under the thread sanitizer", threads(), 120,
             ["D1", "D3", "D4"]),
        Step("tool", "dkv-log on real folders: damaged in every way and never better told than it is; rewritten all the "
             "time; and what it writes and reads with redis-server",
             pytest(*full, *tool), long(90, 480), ["D7", "D8", "D10"]),
        Step("fuzz", "fuzzers: parser, frames, MANIFEST, configuration, ACL files, dkv-log",
             make("fuzz", f"FUZZ_SECONDS={given.fuzz_seconds}"),
             given.fuzz_seconds * max(1, FUZZERS / PROCESSORS) + 40, ["D7", "D8"]),
    ]  # fmt: skip


# --- running ----------------------------------------------------------------------------------------------------------


def environment():
    """A make of our own, with its own jobs."""
    return {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}


def run(step):
    """Exit status and output. What it prints is passed on at once, unless it is quiet."""
    process = subprocess.Popen(step.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(),
                               start_new_session=True)  # fmt: skip
    output = b""
    began = time.monotonic()
    try:
        while True:
            if not select.select([process.stdout], [], [], QUIET_SECONDS_MAX)[0]:
                print(f"  ({step.name} goes on: {duration(time.monotonic() - began)})", flush=True)
                continue
            piece = os.read(process.stdout.fileno(), 65536)
            if not piece:
                break
            output += piece
            if not step.quiet:
                sys.stdout.buffer.write(piece)
                sys.stdout.flush()
        status = process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        raise
    finally:
        (LOGS / f"{step.name}.log").write_bytes(output)
    text = output.decode(errors="replace")
    if step.quiet and status:
        print(text)
    return status, text


def count(status, text):
    """How many tests passed, failed, were skipped, or fail as is known (xfailed): what the last line that counts says. A
    step that counts nothing is one test."""
    lines = [line for line in text.splitlines() if re.search(r"(^|[ =])\d+ (passed|failed|errors?)\b", line)]
    told = collections.Counter()
    for number, word in re.findall(r"(\d+) (passed|failed|error|skipped|xfailed)", lines[-1] if lines else ""):
        told["failed" if word == "error" else word] += int(number)
    if status and not told["failed"]:
        told["failed"] = 1
    elif not status and not lines:
        told["passed"] = 1
    return told


def figures_of(text):
    sums = collections.Counter()
    for line in re.findall(r"^figures: (.*)", text, re.M):
        for part in re.sub(r" \([^)]*\)", "", line).split(", "):
            number, what = part.split(" ", 1)
            sums[what] += int(number)
    return dict(sums)


def take(step, title):
    print(f"\n=== {title}{step.name}: {step.what}", flush=True)
    began = time.monotonic()
    status, text = run(step)
    tests = count(status, text)
    return Outcome(step, not tests["failed"], tests, time.monotonic() - began, figures_of(text))


# --- telling ----------------------------------------------------------------------------------------------------------


def duration(seconds):
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def promises_text(promises):
    return "all" if len(promises) == len(ALL) else " ".join(promises)


def print_test_table(outcomes):
    print("\n=== summary")
    for o in outcomes:
        print(f"{o.step.name:<13} {o.tests['passed']:6} passed {o.tests['failed']:4} failed {o.seconds:8.1f} s")


def print_plan(steps):
    print(f"{'step':<13} {'about':>7}  {'promises':<28} what it shows")
    for step in steps:
        print(f"{step.name:<13} {duration(step.about):>7}  {promises_text(step.promises):<28} {step.what}")
    print(f"{'together':<13} {duration(sum(s.about for s in steps)):>7}", flush=True)


def print_prove_table(outcomes):
    print(f"\n=== what was shown\n{'step':<13} {'':<6} {'time':>7}  {'promises':<18} figures")
    for o in outcomes:
        # That a step which counts nothing has passed is said already.
        words = {"passed": "tests passed", "failed": "failed", "skipped": "skipped", "xfailed": "failed as is known"}
        told = {words[word]: number for word, number in o.tests.items() if sum(o.tests.values()) > 1 or not o.ok}
        figures = ", ".join(f"{number:,} {what}" for what, number in {**told, **o.figures}.items() if number)
        left = textwrap.wrap(promises_text(o.step.promises), 18) or [""]
        right = textwrap.wrap(figures, 72) or [""]
        for i in range(max(len(left), len(right))):
            head = f"{o.step.name:<13} {'ok' if o.ok else 'FAILED':<6} {duration(o.seconds):>7}" if i == 0 else " " * 28
            cells = [column[i] if i < len(column) else "" for column in (left, right)]
            print(f"{head}  {cells[0]:<18} {cells[1]}".rstrip())


def by_promise(outcomes):
    """For each promise: the steps that stood for it, and how many ways to break it were noticed."""
    path = pathlib.Path(BUILD) / "mutations.json"
    tried = any(o.step.name == "mutations" for o in outcomes) and path.exists()
    verdicts = json.loads(path.read_text()) if tried else []
    return {
        promise: {
            "what": what,
            "steps": [o.step.name for o in outcomes if promise in o.step.promises],
            "mutations_caught": sum(v["caught"] and promise in v["breaks"] for v in verdicts) if tried else None,
        }
        for promise, what in PROMISES.items()
    }


def print_promises(promises):
    print("\n=== by promise (ways to break it that were noticed)")
    for promise, told in promises.items():
        ways = "-" if told["mutations_caught"] is None else told["mutations_caught"]
        print(f"{promise:<4} {ways:>3}  {told['what']}: {', '.join(told['steps']) or 'nothing ran'}")


def source_version():
    told = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True)
    return told.stdout.strip() or None


def write_json(outcomes, promises, ok):
    rows = [
        {"step": o.step.name, "what": o.step.what, "promises": o.step.promises, "ok": o.ok, "tests": o.tests,
         "seconds": round(o.seconds, 1), "figures": o.figures}
        for o in outcomes
    ]  # fmt: skip
    told = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "source": source_version(), "ok": ok,
            "seconds": round(sum(o.seconds for o in outcomes)), "steps": rows, "promises": promises}  # fmt: skip
    path = pathlib.Path(BUILD) / "prove.json"
    path.write_text(json.dumps(told, indent=1) + "\n")
    print(f"The same in {path}; what each step printed in {LOGS}/.")


# --- the two plans ----------------------------------------------------------------------------------------------------


def chosen_of(steps, names):
    unknown = set(names) - {step.name for step in steps}
    if unknown:
        sys.exit(f"tests/run.py: there is no step {' '.join(sorted(unknown))}: {' '.join(step.name for step in steps)}")
    return [step for step in steps if not names or step.name in names]


def test(given):
    outcomes = []
    for step in chosen_of(test_steps(given), given.steps):
        # Without a server there is nothing that these could test.
        if step.name in ("unit", "process", "faults", "redis-tests", "bench") and any(o.step.name == "build" and not o.ok for o in outcomes):
            continue
        outcomes.append(take(step, ""))
    print_test_table(outcomes)
    failed = sum(o.tests["failed"] for o in outcomes)
    print(f"{sum(o.tests['passed'] for o in outcomes)} passed, {failed} failed")
    return failed == 0


def prove(given):
    steps = prove_steps(given)
    # What is named needs what is built.
    names = ["build", *given.steps] if given.steps else []
    steps = chosen_of(steps, names)
    print_plan(steps)
    if given.list:
        return True
    outcomes = []
    try:
        for number, step in enumerate(steps, 1):
            until = time.strftime("%H:%M", time.localtime(time.time() + step.about))
            outcomes.append(take(step, f"{number}/{len(steps)}, about until {until}, "))
            if step.name == "build" and not outcomes[-1].ok:
                break
    except KeyboardInterrupt:
        print("\ninterrupted")
    ok = len(outcomes) == len(steps) and all(o.ok for o in outcomes)
    print_prove_table(outcomes)
    promises = by_promise(outcomes)
    print_promises(promises)
    write_json(outcomes, promises, ok)
    print("NOT everything holds" if not ok else "what was tried holds" if given.steps else "everything holds")
    return ok


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("plan", choices=["test", "prove"])
    options.add_argument("steps", nargs="*", help="which ones (default: all)")
    options.add_argument("--list", action="store_true", help="prove: tell the steps, run nothing")
    options.add_argument("--quick", action="store_true", help="prove: shorter forms of what takes long")
    options.add_argument("--seconds", type=int, help="prove: how long the simulator searches (300, quick: 60)")
    options.add_argument("--fuzz-seconds", type=int, help="a fuzzer's share of a processor (60, prove --quick: 10)")
    given = options.parse_args()
    quick = given.plan == "prove" and given.quick
    given.seconds = given.seconds or (60 if quick else 300)
    given.fuzz_seconds = given.fuzz_seconds or (10 if quick else 60)
    LOGS.mkdir(parents=True, exist_ok=True)
    sys.exit(0 if {"test": test, "prove": prove}[given.plan](given) else 1)


if __name__ == "__main__":
    main()
