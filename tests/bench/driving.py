"""Load on a server, by redis-benchmark or by load.c, and the figures that come of it.

A measurement is a dict of figures: rate (requests a second), cpu (processor microseconds of the server for a request),
p50, p99, p99.9 and max (milliseconds, as clients see them), generator (the share of one processor that the load generator
took: near 1, it and not the server may be what was measured).
"""

import json
import math
import os
import re
import signal
import subprocess
import time
from contextlib import contextmanager

LOAD = None  # the path of the program built from load.c
CLIENTS = 50
# A request that tells how fast the server is; what follows is made as long as wanted by its rate.
PILOT_REQUESTS = 1000
GENERATOR_BUSY = 0.95


class LoadError(Exception):
    pass


def _run(command):
    """Runs to the end; its output, seconds, and processor seconds."""
    begin = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    output = process.stdout.read()
    complaints = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise LoadError(f"{command[0]} ended with {process.returncode}: {complaints or output}")
    return output, time.monotonic() - begin, usage.ru_utime + usage.ru_stime


# --- redis-benchmark ------------------------------------------------------------------------------------------------


def _benchmark(subject, requests, clients, pipeline, keys, value, words):
    before = subject.cpu_seconds()
    output, took, cpu = _run(["redis-benchmark", "-p", str(subject.server.port), "-n", str(requests), "-c", str(clients),
                              "-P", str(pipeline), "-r", str(keys), "-d", str(value), "--csv", *words])
    row = re.findall(r'"([^"]*)"', output.strip().splitlines()[-1])
    try:
        rate, _, _, p50, _, p99, slowest = map(float, row[1:])
    except ValueError:
        raise LoadError(f"redis-benchmark printed {output!r}") from None
    return {
        # It counts milliseconds: what took less than one came at an infinite rate.
        "rate": rate if math.isfinite(rate) else requests / took,
        "cpu": (subject.cpu_seconds() - before) / requests * 1e6,
        "p50": p50,
        "p99": p99,
        "max": slowest,
        "generator": cpu / took,
    }


def benchmark(words, pipeline=1, clients=CLIENTS, value=64):
    """A measurement by redis-benchmark: its arguments, such as -t set."""

    def measure(subject, sizes, keys, state):
        # The rate of the round before, or a quick look, tells how many requests the wanted seconds are.
        if "rate" not in state:
            requests = PILOT_REQUESTS * (1 + pipeline) * clients // CLIENTS // (1 + value // 1024)
            requests = max(clients * pipeline, requests)
            state["rate"] = _benchmark(subject, requests, clients, pipeline, keys, value, words)["rate"]
        requests = max(clients * pipeline, int(state["rate"] * sizes.seconds))
        figures = _benchmark(subject, requests, clients, pipeline, keys, value, words)
        state["rate"] = figures["rate"]
        return figures

    return measure


# --- load.c ---------------------------------------------------------------------------------------------------------


def _groups(output, command):
    answer = json.loads(output)
    for group in answer["groups"]:
        if group["errors"]:
            raise LoadError(f"{group['errors']} errors, the first: {group['first_error']}; sent by {command}")
    return answer["groups"]


def load(subject, *groups):
    """Runs load.c to its end; the figures of its first group, and cpu over the requests of all."""
    before = subject.cpu_seconds()
    command = [LOAD, str(subject.server.port), *groups]
    output, took, cpu = _run(command)
    answers = _groups(output, command)
    requests = sum(group["requests"] for group in answers)
    figures = {name: answers[0][name] for name in ("rate", "p50", "p99", "p99.9", "max")}
    figures["cpu"] = (subject.cpu_seconds() - before) / requests * 1e6 if requests else 0
    figures["generator"] = cpu / took
    if len(answers) > 1:
        figures["beside"] = sum(group["rate"] for group in answers[1:])
    return figures


def fill(subject, keys, command="SET key:# $64", clients=10, pipeline=64, rate=0):
    """Every key once, as load.c has commands."""
    return load(subject, f"clients={clients} pipeline={pipeline} order=each keys={keys} rate={rate} : 1 {command}")


def mixed(groups):
    """A measurement by load.c: groups of it, with {keys} (of the stage) and the fields of the sizes to be filled in."""

    def measure(subject, sizes, keys, state):
        return load(subject, *[group.format(**{**vars(sizes), "keys": keys}) for group in groups])

    return measure


@contextmanager
def in_background(subject, *groups):
    """Runs load.c beside the body; yields a dict that holds its figures once the body is over."""
    command = [LOAD, str(subject.server.port), *groups]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    figures = {}
    try:
        yield figures
        process.send_signal(signal.SIGTERM)
        output = process.communicate(timeout=120)[0]
        if process.returncode != 0:
            raise LoadError(f"ended with {process.returncode}: {command}")
        figures.update(_groups(output, command)[0])
    finally:
        process.kill()
        process.wait()


def probing(subject):
    """One client that asks for a key nobody writes, two thousand times a second."""
    return in_background(subject, "name=probe rate=2000 keys=1000 : 1 GET probe:#")
