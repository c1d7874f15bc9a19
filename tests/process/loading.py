"""The load program from Python, and what a round of killing is."""

import os
import random
import subprocess
import time
from pathlib import Path

from harness.figures import figure

HERE = Path(__file__).resolve().parent
SOURCES = [HERE / name for name in ("load.c", "readers.c", "check.c", "model.c", "change.c", "type_string.c", "type_hash.c")]
BUILT = HERE.parents[1] / "build" / "tests" / "load"


def build_load(folder):
    """The program that make built, if that is up to date; otherwise one built into folder."""
    if BUILT.exists() and BUILT.stat().st_mtime > max(source.stat().st_mtime for source in HERE.glob("*.[ch]")):
        return str(BUILT)
    target = folder / "load"
    command = [os.environ.get("CC", "cc"), "-std=gnu17", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE"]
    subprocess.run([*command, "-pthread", "-o", target, *SOURCES, "-lhiredis"], check=True, timeout=120)
    return str(target)


class Load:
    """Its commands, one method each. See load.c."""

    def __init__(self, binary, server, logs, writers=12, readers=4, promise="shown"):
        options = ["--socket", server.socket, "--writers", str(writers), "--readers", str(readers)]
        options += ["--promise", promise, "--log", str(logs)]
        self.process = subprocess.Popen(
            [binary, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.complaints = []

    def close(self):
        self.process.kill()
        self.process.communicate()

    def _command(self, line):
        """The last line of the answer; the complaints before it are kept."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        while True:
            answer = self.process.stdout.readline()
            assert answer, f"the load program ended with {self.process.wait()} at {line!r}"
            if not answer.startswith("!"):
                return answer.strip()
            self.complaints.append(answer.strip())

    def start(self, seed):
        assert self._command(f"start {seed}") == "started"

    def stop(self):
        return self._ended(self._command("stop"))

    def wait(self):
        return self._ended(self._command("wait"))

    @staticmethod
    def _ended(answer):
        words = answer.split()
        assert words[0] == "ended", answer
        return {words[i]: int(words[i + 1]) for i in range(1, len(words), 2)}

    def check(self):
        """The complaints; none when everything is as it may be."""
        answer = self._command("check")
        if answer.startswith("ok") and not self.complaints:
            return []
        return [answer, *self.complaints]


class Rounds:
    """Rounds of load and killing. Every round draws from its own seed, which is printed; --seed replays one."""

    def __init__(self, server, load, seed):
        self.server = server
        self.load = load
        self.seed = seed
        self.acknowledged = 0
        self.shown = 0

    def run(self, count, kill, load_seconds=(0.02, 0.4), during=None):
        """kill(server, rng): ends the server while the load runs, and starts it again. during(server, rng, until):
        something that goes on in parallel, in this thread, until that moment on the monotonic clock."""
        for number in range(count):
            seed = self.seed + number
            rng = random.Random(seed)
            print(f"round {number}: --seed={seed} --rounds=1", flush=True)
            self.load.start(seed)
            until = time.monotonic() + rng.uniform(*load_seconds)
            if during is not None:
                during(self.server, rng, until)
            time.sleep(max(0, until - time.monotonic()))
            kill(self.server, rng, self.load)
            complaints = self.load.check()
            assert not complaints, "\n".join([f"round {number}, seed {seed}:", *complaints, self.server.log()[-3000:]])
        figure(count, "kill rounds")
        figure(self.acknowledged, "acknowledged operations looked up")
        figure(self.shown, "values shown looked up")

    def ended(self, totals):
        self.acknowledged = totals["acknowledged"]
        self.shown = totals["shown"]
