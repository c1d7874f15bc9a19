#!/usr/bin/env python3
"""dkv-server beside redis-server, and beside any other server that is named: see README.md.

    bench.py [--full | --short] [--only "CASE CASE*"] [--servers "NAME=PROGRAM ..."] [--dir FOLDER] ...
"""

import argparse
import itertools
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import chart
import driving
import machine
import newer
import report
import subject

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Sizes:
    rounds: int = 3
    seconds: float = 2.0  # of each measurement under load
    keys: int = 1_000_000
    keys_1k: int = 100_000
    keys_16k: int = 10_000
    keys_16m: int = 8
    requests_16m: int = 64
    keys_large: int = 2_000_000  # restarts, rewrites, memory
    keys_grown: int = 2_000_000  # growing, flushing
    keys_expiring: int = 1_000_000
    hashes: int = 100_000  # whose memory is measured
    hashes_large: int = 1_000_000
    fields: int = 1_000_000  # of one hash, or of hashes of 1,000
    fields_large: int = 2_000_000  # of one hash: restarts, rewrites, pauses
    idle_seconds: float = 5.0
    sync_seconds: float = 1.0


FULL = {"keys_large": 8_000_000, "keys_grown": 10_000_000, "fields_large": 10_000_000}
SHORT = {"rounds": 1, "seconds": 0.03, "keys": 5000, "keys_1k": 2000, "keys_16k": 200, "keys_16m": 2,
         "requests_16m": 2, "keys_large": 20_000, "keys_grown": 20_000, "keys_expiring": 5000,
         "hashes": 2000, "hashes_large": 5000, "fields": 5000, "fields_large": 20_000, "idle_seconds": 0.2,
         "sync_seconds": 0.05}


ONE_BY_ONE = {"clients": 1, "pipeline": 1}


class Progress:
    """One line that changes on a terminal, a line a case elsewhere."""

    def __init__(self, count):
        self.count = count
        self.begin = time.monotonic()
        self.live = sys.stderr.isatty()
        self.number = 0

    def case(self, name):
        self.number += 1
        self.name = name
        if not self.live:
            self._print("", "\n")

    def step(self, text):
        if self.live:
            self._print(text, "")

    def done(self):
        if self.live:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _print(self, text, end):
        begin = "\r\x1b[K" if self.live else ""
        took = int(time.monotonic() - self.begin)
        print(f"{begin}[{self.number}/{self.count}, {took // 60}:{took % 60:02}] {self.name} {text}".rstrip(), end=end,
              file=sys.stderr, flush=True)


class Bench:
    def __init__(self, candidates, sizes, folder, progress):
        self.candidates, self.sizes, self.folder, self.progress = candidates, sizes, folder, progress
        self.names = [one.name for one in candidates]

    def run(self, cases):
        """Yields the result of each case, in their order."""
        for stage, group in itertools.groupby(cases, key=lambda case: case.stage):
            subjects = []
            try:
                for which in self.candidates:
                    subjects.append(subject.Subject(which, stage.setting, self.folder))
                    if not subjects[-1].knows(stage.needs):
                        subjects.pop().close()
                filled = False
                for case in group:
                    self.progress.case(case.name)
                    if not subjects or subjects[0].name != self.names[0]:
                        yield report.failed(case, f"{self.names[0]} does not know {' and '.join(stage.needs)}")
                        continue
                    if not filled:
                        self._fill(subjects, stage)
                        filled = True
                    yield self._case(case, subjects)
            finally:
                for one in subjects:
                    one.close()

    def _fill(self, subjects, stage):
        for one in subjects:
            one.rss_empty = one.rss_bytes()
            if stage.keys:
                self.progress.step(f"filling {one.name}")
                how = ONE_BY_ONE if stage.one_by_one else {}
                for command in stage.commands:
                    driving.fill(one, getattr(self.sizes, stage.keys), command, **how)
                one.settle()

    def _case(self, case, subjects):
        rounds = {name: [] for name in self.names}
        keys = getattr(self.sizes, case.stage.keys) if case.stage.keys else 0
        states = {name: {} for name in self.names}
        try:
            if case.prepare:
                for one in subjects:
                    case.prepare(one)
            count = self.sizes.rounds if case.rounds is None or self.sizes.rounds == 1 else case.rounds
            for number in range(count):
                # Nobody always comes after the same one, whose work the disk may still be busy with.
                for one in reversed(subjects) if number % 2 else subjects:
                    self.progress.step(f"round {number + 1}/{count}, {one.name}")
                    rounds[one.name].append(case.measure(one, self.sizes, keys, states[one.name]))
                    one.settle()
            return report.judge(case, rounds, self.names)
        except (driving.LoadError, RuntimeError, OSError) as error:
            return report.failed(case, str(error))


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="8 and 10 million keys where issue and README speak of them")
    parser.add_argument("--short", action="store_true", help="only see that every case runs and gives figures")
    parser.add_argument("--only", default="", help="cases by name; a * at the end stands for anything")
    parser.add_argument("--servers", default="", help="further servers: NAME=PROGRAM")
    parser.add_argument("--dkv", default=ROOT / "build" / "dkv-server")
    parser.add_argument("--redis", default="redis-server")
    parser.add_argument("--newer", type=Path, metavar="FOLDER", help="run newer servers beside, gotten into this folder")
    parser.add_argument("--load", default=ROOT / "build" / "tests" / "bench" / "load")
    parser.add_argument("--dir", default=ROOT / "build", help="where the servers' folders are made")
    parser.add_argument("--nice", type=int, help="run servers and load with this niceness (-15: mostly undisturbed by others)")
    parser.add_argument("--json", default=ROOT / "build" / "bench.json", type=Path)
    for name, kind in Sizes.__annotations__.items():
        parser.add_argument("--" + name.replace("_", "-"), type=kind)
    return parser.parse_args()


def terminated(number, frame):
    """So that whatever was started ends, too."""
    raise KeyboardInterrupt


def main():
    signal.signal(signal.SIGTERM, terminated)
    options = parse_options()
    sizes = Sizes(**(FULL if options.full else SHORT if options.short else {}))
    for name in Sizes.__annotations__:
        if getattr(options, name) is not None:
            setattr(sizes, name, getattr(options, name))
    cases = report.names_of(options.only.split())
    candidates = [subject.candidate("dkv", options.dkv), subject.candidate(report.REFERENCE, options.redis)]
    if options.newer:
        candidates += [subject.candidate(*one) for one in newer.install(options.newer)]
    candidates += [subject.candidate(*one.split("=", 1)) for one in options.servers.split()]
    driving.LOAD = str(options.load)
    if options.nice is not None:
        subject.set_niceness(options.nice)
    folder = tempfile.mkdtemp(prefix="bench-", dir=Path(options.dir).resolve())
    progress = Progress(len(cases))
    found = {"servers": [one.name for one in candidates], "sizes": asdict(sizes), "cases": []}
    try:
        found["machine"] = machine.describe(folder, candidates, sizes.sync_seconds)
        for result in Bench(candidates, sizes, folder, progress).run(cases):
            found["cases"].append(result)
            report.write_json(found, options.json)
        chart.write_chart(found, options.json.with_suffix(".svg"))
    except KeyboardInterrupt:
        print("interrupted; what was measured until then:", file=sys.stderr)
    finally:
        progress.done()
        shutil.rmtree(folder, ignore_errors=True)
    failed = [result["name"] for result in found["cases"] if "failed" in result]
    if options.short:
        for result in found["cases"]:
            if "failed" in result:
                print(f"{result['name']}: {result['failed']}")
        print(f"{len(found['cases']) - len(failed)} passed, {len(failed)} failed")
    else:
        print("\n".join(report.table(found)))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
