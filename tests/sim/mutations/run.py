#!/usr/bin/env python3
"""Breaks the server on purpose, one way at a time, and shows that the simulator or a test notices.

Each *.mutation file here is one way: why it is wrong, the promises it breaks (design: D1 to D13), a file, lines that
stand there (exactly once), and what to put in their place:

    # what a client or an operator would lose
    breaks: D1 D7
    file: src/journal/manifest.c
    - lines as they are, without their indentation
    + lines instead

There may be several file sections. The simulator searches for each. What it needs more luck for than there is time, or
cannot see, is shown by tests, unit tests of a floor or pytest's:

    also: unit-journal                              when the simulator has found nothing
    only: tests/process/test_stop.py -k second      instead of the simulator

Each mutation is applied to a copy of the tree, which is built and searched until the first catch, some of them at a time.
Before that the tree as it is must pass everything that is to catch something. Exit 1 when one survives, or no longer
applies."""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import queue
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
PROMISES = [f"D{i}" for i in range(1, 14)]
# A test that hangs has noticed, too.
TEST_SECONDS_MAX = 300

Mutation = collections.namedtuple("Mutation", "name reason breaks changes also only")
Verdict = collections.namedtuple("Verdict", "mutation caught by seconds told")


def parse(path):
    reason, breaks, also, only, changes = "", [], None, None, []
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            reason += line[1:].strip() + " "
        elif line.startswith("breaks:"):
            breaks = line[7:].split()
        elif line.startswith("also:"):
            also = line[5:].strip()
        elif line.startswith("only:"):
            only = line[5:].strip()
        elif line.startswith("file:"):
            changes.append((line[5:].strip(), [], []))
        elif line.startswith("-"):
            if changes[-1][2]:
                changes.append((changes[-1][0], [], []))
            changes[-1][1].append(line[1:].strip())
        elif line.startswith("+"):
            changes[-1][2].append(line[1:].strip())
    return Mutation(path.stem, reason.strip(), breaks, changes, also, only)


def changed(tree, mutation):
    """The files that it changes, by name, as they are then. ValueError when it does not apply."""
    if not mutation.breaks or set(mutation.breaks) - set(PROMISES):
        raise ValueError("a line is missing that says which promises it breaks, as in breaks: D1 D7")
    texts = {}
    for name, old, new in mutation.changes:
        lines = texts.get(name, (tree / name).read_text()).splitlines()
        bare = [line.strip() for line in lines]
        places = [i for i in range(len(bare)) if bare[i : i + len(old)] == old]
        if len(places) != 1:
            raise ValueError(f"{name}: {len(places)} places where these lines stand:\n  " + "\n  ".join(old))
        at = places[0]
        lines[at : at + len(old)] = new
        texts[name] = "\n".join(lines) + "\n"
    return texts


def check(chosen):
    """Whether all apply, which takes no time: the source moves, and mutations have to move with it."""
    broken = 0
    for mutation in chosen:
        try:
            changed(ROOT, mutation)
        except (OSError, ValueError) as error:
            print(f"{mutation.name}.mutation does not apply any more: {error}")
            broken += 1
    print(f"{len(chosen) - broken} passed, {broken} failed")
    return broken == 0


class Workshop:
    """A copy of the tree with what was built of it. Folders are named relative to it, so that it can be copied."""

    def __init__(self, tree):
        self.tree = tree

    def make(self, *targets):
        done = self.run(["make", "-s", "-j2", "BUILD=build", "CFLAGS=-O2 -g -Wno-error", *targets], 600)
        if done.returncode != 0:
            raise ValueError("it does not compile:\n" + done.stdout[-3000:])

    def run(self, command, seconds_max):
        """In a process group of its own, so that nothing that it started outlives it."""
        process = subprocess.Popen(command, cwd=self.tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                   errors="replace", start_new_session=True)  # fmt: skip
        try:
            output = process.communicate(timeout=seconds_max)[0]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output = process.communicate()[0] + "it hangs\n"
        return subprocess.CompletedProcess(command, process.returncode, output)

    def search(self, runs, start):
        """What the simulator found, or None. So many runs, not seconds: how busy the machine is must not decide."""
        self.make("sim-build")
        done = self.run(["build/tests/sim/sim", "--runs", str(runs)] + (["--start", str(start)] if start else []), None)
        found = re.search(r"FAILED: seed (\S+)\n(.*)", done.stdout)
        if found:
            return f"seed {found.group(1)}: {found.group(2)[:150]}"
        return None if done.returncode == 0 else done.stdout[-300:]

    def test(self, what):
        """What a test that fails says, or None."""
        if what.startswith("unit-"):
            self.make("unit-build", f"UNIT_SOURCES={' '.join(self.unit_sources(what))}")
            done = self.run(["make", "-s", "BUILD=build", "CFLAGS=-O2 -g -Wno-error", what], TEST_SECONDS_MAX)
            # A test that ends its program is named as an error only. The rest in one line: whoever reads this counts lines.
            failures = re.findall(r"^\[  (?:FAILED|ERROR ) +\] (?!---)(\w+)$", done.stdout, re.M)
            failures = failures or [" ".join(done.stdout[-300:].split())]
        else:
            self.make("all", "load")
            command = ["/usr/bin/python3", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--server=build/dkv-server"]
            done = self.run(command + shlex.split(what), TEST_SECONDS_MAX)
            failures = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.M)
            if done.returncode not in (0, 1, -signal.SIGKILL):
                raise ValueError(f"pytest {what}: exit status {done.returncode}\n" + done.stdout[-1000:])
        return None if done.returncode == 0 else (failures or ["it hangs"])[0]

    def unit_sources(self, what):
        return [str(p.relative_to(self.tree)) for p in (self.tree / "tests/unit" / what[5:]).glob("test_*.c")]

    def judge(self, mutation, runs, start):
        originals = {name: (self.tree / name).read_text() for name, _, _ in mutation.changes}
        began = time.time()
        by = told = None
        try:
            for name, text in changed(self.tree, mutation).items():
                (self.tree / name).write_text(text)
            if not mutation.only:
                by, told = "simulator", self.search(runs, start)
            if not told and (mutation.only or mutation.also):
                by = mutation.only or mutation.also
                told = self.test(by)
            caught = told is not None
        except ValueError as error:
            caught, by, told = False, "broken", str(error)
        for name, text in originals.items():
            (self.tree / name).write_text(text)
            # Later than what was built of the mutation, whatever the clock's grain.
            os.utime(self.tree / name, (time.time() + 2, time.time() + 2))
        return Verdict(mutation, caught, by, time.time() - began, told or "")


def check_tree(workshop, chosen):
    """Builds all that is needed, and sees that nothing fails without a mutation."""
    workshop.make("sim-build")
    if any(not m.only for m in chosen):
        found = workshop.search(100, 0)
        if found:
            sys.exit(f"the simulator fails without a mutation: {found}")
    for what in sorted({m.also or m.only for m in chosen} - {None}):
        try:
            found = workshop.test(what)
        except ValueError as error:
            sys.exit(str(error))
        if found:
            sys.exit(f"{what} fails without a mutation: {found}")


def print_verdict(verdict, done, count):
    word = "caught  " if verdict.caught else "BROKEN  " if verdict.by == "broken" else "SURVIVED"
    by = f" by {verdict.by}" if verdict.caught else ""
    print(f"[{done:2}/{count}] {word} {verdict.seconds:5.1f} s  {verdict.mutation.name} ({' '.join(verdict.mutation.breaks)}): "
          f"{verdict.mutation.reason}\n                            {by.strip()} {verdict.told}".rstrip(), flush=True)  # fmt: skip


def kind_of_check(verdict):
    if verdict.by == "simulator":
        return "the simulator"
    return "unit tests" if verdict.by.startswith("unit-") else "tests of the process"


def summarise(verdicts, seconds):
    by = collections.Counter(kind_of_check(v) for v in verdicts if v.caught)
    caught = sum(v.caught for v in verdicts)
    breaking = {p: sum(p in v.mutation.breaks for v in verdicts if v.caught) for p in PROMISES}
    print("by promise: " + ", ".join(f"{promise} {count}" for promise, count in breaking.items()))
    lost = [v.mutation.name for v in verdicts if not v.caught]
    if lost:
        print("not caught: " + " ".join(lost))
    print(f"{caught} of {len(verdicts)} caught in {seconds:.0f} s")
    print(f"figures: {len(verdicts)} mutations, " + ", ".join(f"{count} caught by {kind}" for kind, count in sorted(by.items())))


def write_json(path, verdicts):
    rows = [
        {"name": v.mutation.name, "breaks": v.mutation.breaks, "caught": v.caught, "by": v.by,
         "seconds": round(v.seconds, 1), "told": v.told}
        for v in verdicts
    ]  # fmt: skip
    pathlib.Path(path).write_text(json.dumps(rows, indent=1) + "\n")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--runs", type=int, default=6000, help="of the simulator for each, at most")
    options.add_argument("--start", type=int, default=1, help="seed to search from; 0: any")
    options.add_argument("--jobs", type=int, default=min(os.cpu_count() or 1, 8), help="how many at a time")
    options.add_argument("--check", action="store_true", help="only see that they apply")
    options.add_argument("--json", help="file to write the verdicts to")
    options.add_argument("names", nargs="*", help="which ones (default: all)")
    given = options.parse_args()
    chosen = [m for m in map(parse, sorted(HERE.glob("*.mutation"))) if not given.names or m.name in given.names]
    if given.check:
        sys.exit(0 if check(chosen) else 1)
    began = time.time()
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="dkv-mutations-") as scratch:
        first = Workshop(pathlib.Path(scratch) / "0")
        shutil.copytree(ROOT, first.tree, ignore=shutil.ignore_patterns(".git", "build"))
        check_tree(first, chosen)
        idle = queue.Queue()
        idle.put(first)
        for i in range(1, min(given.jobs, len(chosen))):
            idle.put(Workshop(shutil.copytree(first.tree, pathlib.Path(scratch) / str(i))))

        def judge(mutation):
            workshop = idle.get()
            try:
                return workshop.judge(mutation, given.runs, given.start)
            finally:
                idle.put(workshop)

        with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
            for future in concurrent.futures.as_completed([pool.submit(judge, m) for m in chosen]):
                verdicts.append(future.result())
                print_verdict(verdicts[-1], len(verdicts), len(chosen))
    verdicts.sort(key=lambda v: v.mutation.name)
    summarise(verdicts, time.time() - began)
    if given.json:
        write_json(given.json, verdicts)
    sys.exit(0 if all(v.caught for v in verdicts) else 1)


if __name__ == "__main__":
    main()
