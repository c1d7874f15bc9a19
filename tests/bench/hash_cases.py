"""Hashes: small ones, many of them, of 10 fields of 8 + 16 bytes; large ones, of fields of 16 + 32 bytes."""

from dataclasses import replace

import measures
from case import Case, Stage, at_most, below, best_cpu, best_rate
from driving import mixed

SMALL_FIELDS = " ".join(f"field:{number:02} $16" for number in range(10))
SMALL_COUNTER = " ".join(f"field:{number:02} $16" for number in range(9)) + " field:09 1000000"
FILL_LARGE = "HSET large fld:# $32"
TIMED = ("HSETEX", "HPEXPIRE")

SMALL_NO_LOG = Stage(setting="no log", keys="hashes_large", commands=(f"HSET h:# {SMALL_COUNTER}",), needs=("HSET",))
SMALL = replace(SMALL_NO_LOG, setting="always")
LARGE_NO_LOG = Stage(setting="no log", keys="fields", commands=(FILL_LARGE, "HSET counters fld:# 1000000"),
                     needs=("HSET",))
LARGE = replace(LARGE_NO_LOG, setting="always")
MIDDLE_NO_LOG = Stage(setting="no log", keys="fields", commands=("HSET m:@ fld:# $32",), needs=("HSET",))
HUGE = Stage(keys="fields_large", commands=(FILL_LARGE,), needs=("HSET",))
# Without a log: what is looked for is the pauses of the table, not of the disk.
EMPTY_NO_LOG = Stage(setting="no log", keys="", needs=("HSET",))
EMPTY_TIMED = Stage(keys="", needs=TIMED)

MEMORY_SMALL = Stage(setting="no log", keys="hashes", commands=(f"HSET h:# {SMALL_FIELDS}",), needs=("HSET",))
MEMORY_LARGE = Stage(setting="no log", keys="fields", commands=(FILL_LARGE,), needs=("HSET",))
MEMORY_TIMED = Stage(setting="no log", keys="fields", commands=("HSETEX large EX 100000 FIELDS 1 fld:# $32",),
                     needs=TIMED)

ON_SMALL = {
    "hset": "HSET h:# field:04 $16",
    "hget": "HGET h:# field:04",
    "hmget": "HMGET h:# field:00 field:02 field:04 field:06 field:08",
    "hincrby": "HINCRBY h:# field:09 1",
}
ON_LARGE = {
    "hset": "HSET large fld:# $32",
    "hget": "HGET large fld:#",
    "hmget": "HMGET large fld:# fld:# fld:# fld:# fld:#",
    "hincrby": "HINCRBY counters fld:# 1",
}
WHAT = {"hset": "HSET", "hget": "HGET", "hmget": "HMGET of 5 fields", "hincrby": "HINCRBY"}
WRITES = {"hset", "hincrby"}

WRITERS = "name=writers clients=10 pipeline=16 rate=50000 keys={keys} : 1 " + FILL_LARGE
NO_PAUSE = (below("max", 5),)


def _load(command, pipeline):
    return mixed((f"clients=50 pipeline={pipeline} seconds={{seconds}} keys={{keys}} : 1 {command}",))


def _commands(size, stage, commands):
    """Each command in pipelines and without, at the floors of the stage's setting."""
    suffix = "-nolog" if stage.setting == "no log" else ""
    for name, command in commands.items():
        # What waits for no disk gains nothing by how others wait for it.
        lead = 2 if stage.setting == "always" and name in WRITES else 1.5
        what = f"{WHAT[name]} on {size} hashes, {stage.setting}"
        yield Case(f"{name}-{size}-p16{suffix}", f"{what}, pipeline 16", stage, _load(command, 16),
                   (best_rate(lead), best_cpu(0.6)))
        yield Case(f"{name}-{size}-p1{suffix}", f"{what}, 50 clients", stage, _load(command, 1), (best_rate(1),))


def _restarts(name, what, stage, count):
    """In this order: the first rewrite ends what can be replayed."""
    restart = measures.restarting(*count)
    floors = (at_most("seconds", 0.35),)
    return [
        Case(f"hash-replay-{name}", f"restart after SIGKILL, replaying the log, {what}", stage, restart, floors),
        Case(f"hash-rewrite-{name}", f"rewrite, {what}", stage, measures.rewrite, floors),
        Case(f"hash-base-load-{name}", f"restart after SIGKILL, from a rewritten base, {what}", stage, restart, floors,
             prepare=measures.rewrite),
    ]


CASES = [
    Case("hash-memory-small", "memory per hash of 10 fields, 8 + 16 bytes", MEMORY_SMALL, measures.memory,
         (below("bytes", 330),), rounds=1),
    Case("hash-memory-field", "memory per field of one hash, 16 + 32 bytes", MEMORY_LARGE, measures.memory,
         (below("bytes", 72),), rounds=1),
    Case("hash-memory-field-ttl", "memory per field with a time to live", MEMORY_TIMED, measures.memory,
         (below("bytes", 82),), rounds=1),
    *_commands("small", SMALL_NO_LOG, ON_SMALL),
    Case("hgetall-small-p16", "HGETALL of 10 fields, pipeline 16", SMALL_NO_LOG, _load("HGETALL h:#", 16),
         (best_rate(1.3), best_cpu(0.75))),
    *_commands("large", LARGE_NO_LOG, ON_LARGE),
    Case("hgetall-1k-p1", "HGETALL of 1,000 fields, 50 clients", MIDDLE_NO_LOG, _load("HGETALL m:@", 1),
         (best_rate(1.3), best_cpu(0.75))),
    *_restarts("small", "small hashes", SMALL, ("DBSIZE",)),
    *_commands("small", SMALL, ON_SMALL),
    *_commands("large", LARGE, ON_LARGE),
    *_restarts("large", "one large hash", HUGE, ("HLEN", "large")),
    Case("hash-pause-rewrite", "one large hash is rewritten, beside 50 k HSET/s", HUGE,
         measures.rewriting(WRITERS), NO_PAUSE),
    Case("hash-pause-deleted", "one large hash is deleted", HUGE, measures.losing("large", "DEL", "victim"), NO_PAUSE),
    Case("hash-pause-overwritten", "a string is set over one large hash", HUGE,
         measures.losing("large", "SET", "victim", "string"), NO_PAUSE),
    Case("hash-pause-expiring", "one large hash expires", HUGE,
         measures.losing("large", "PEXPIRE", "victim", "300"), NO_PAUSE),
    Case("hash-pause-growing", "one large hash grows, 250 k HSET/s, no log", EMPTY_NO_LOG,
         measures.growing(FILL_LARGE, "fields_large"), NO_PAUSE),
    Case("hash-pause-fields", "1 M fields of one hash expire at once", EMPTY_TIMED,
         measures.expiring("HSETEX large PXAT {due} FIELDS 1 fld:# $32"), NO_PAUSE),
]
