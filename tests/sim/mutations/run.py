#!/usr/bin/env python3
"""Breaks the server on purpose, one way at a time, and shows that the simulator notices.

Each *.mutation file here is one way: why it is wrong, a file, lines that stand there (exactly once), and what to put in
their place:

    # what a client or an operator would lose
    file: src/journal/manifest.c
    - lines as they are, without their indentation
    + lines instead

There may be several file sections. What needs more luck than there is time for may name a test that shows it, too:

    also: unit-journal
 Each mutation is applied to a copy of the tree, which is built and searched with the
simulator. Exit 1 when one survives, or no longer applies."""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent


def parse(path):
    """The reason, a list of (file, old lines, new lines), and the target of a test that shows it, or None."""
    reason, changes, also = "", [], None
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            reason += line[1:].strip() + " "
        elif line.startswith("also:"):
            also = line[5:].strip()
        elif line.startswith("file:"):
            changes.append((line[5:].strip(), [], []))
        elif line.startswith("-"):
            if changes[-1][2]:
                changes.append((changes[-1][0], [], []))
            changes[-1][1].append(line[1:].strip())
        elif line.startswith("+"):
            changes[-1][2].append(line[1:].strip())
    return reason.strip(), changes, also


def apply(tree, changes):
    for name, old, new in changes:
        path = tree / name
        lines = path.read_text().splitlines()
        bare = [line.strip() for line in lines]
        places = [i for i in range(len(bare)) if bare[i : i + len(old)] == old]
        if len(places) != 1:
            raise ValueError(f"{name}: {len(places)} places where these lines stand:\n  " + "\n  ".join(old))
        at = places[0]
        lines[at : at + len(old)] = new
        path.write_text("\n".join(lines) + "\n")


def build(tree, objects, target="sim-build"):
    command = ["make", "-s", f"BUILD={objects}", target, "CFLAGS=-O2 -g -Wno-error"]
    return subprocess.run(command, cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def search(objects, seconds, start):
    began = time.time()
    command = [f"{objects}/tests/sim/sim", "--seconds", str(seconds)] + (["--start", str(start)] if start else [])
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    how = re.search(r"FAILED: seed (\d+)\n(.*)", done.stdout)
    return done.returncode != 0, time.time() - began, how


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=int, default=60, help="to search for each, at most")
    options.add_argument("--start", type=int, default=1, help="seed to search from; 0: any")
    options.add_argument("--build", default=None, help="folder to build in (default: one that is removed again)")
    options.add_argument("names", nargs="*", help="which ones (default: all)")
    given = options.parse_args()
    scratch = pathlib.Path(given.build or tempfile.mkdtemp(prefix="dkv-mutations-"))
    tree, objects = scratch / "tree", scratch / "objects"
    survivors = []
    try:
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", "build"))
        built = build(tree, objects)
        if built.returncode != 0:
            sys.exit(built.stdout)
        chosen = [p for p in sorted(HERE.glob("*.mutation")) if not given.names or p.stem in given.names]
        for path in chosen:
            reason, changes, also = parse(path)
            originals = {name: (tree / name).read_text() for name, _, _ in changes}
            try:
                apply(tree, changes)
                built = build(tree, objects)
                if built.returncode != 0:
                    raise ValueError("it does not compile:\n" + built.stdout)
                caught, seconds, how = search(objects, given.seconds, given.start)
                verdict = "caught  " if caught else "SURVIVED"
                if not caught and also:
                    caught = build(tree, objects, also).returncode != 0
                    verdict = f"caught by {also}" if caught else "SURVIVED"
                told = f"seed {how.group(1)}: {how.group(2)[:150]}" if how else ""
            except ValueError as error:
                caught, seconds, verdict, told = False, 0, "BROKEN  ", str(error)
            print(f"{verdict} {seconds:6.1f} s  {path.stem}: {reason}\n                     {told}", flush=True)
            if not caught:
                survivors.append(path.stem)
            for name, text in originals.items():
                (tree / name).write_text(text)
                # Later than what was built of the mutation, whatever the clock's grain.
                os.utime(tree / name, (time.time() + 2, time.time() + 2))
        print(f"{len(chosen) - len(survivors)} of {len(chosen)} caught" + (", not: " + " ".join(survivors) if survivors else ""))
    finally:
        if not given.build:
            shutil.rmtree(scratch, ignore_errors=True)
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
