"""What is measured: a table of cases, in stages that share servers and data, each with its floors."""

from dataclasses import replace

import hash_cases
import measures
from case import Case, Stage, at_most, below, cpu, rate
from driving import benchmark, mixed

ALWAYS = Stage()
EVERYSEC = Stage(setting="everysec")
NO_LOG = Stage(setting="no log")
KIB = Stage(keys="keys_1k", commands=("SET key:# $1024",))
KIB16 = Stage(keys="keys_16k", commands=("SET key:# $16384",))
MIB16 = Stage(keys="keys_16m", commands=("SET key:# $16777216",), one_by_one=True)
MIB16_FIRST_USE = replace(MIB16, setting="always, values on first use")
MIB16_NO_LOG = replace(MIB16, setting="no log")

SET = ("-t", "set")
GET = ("-t", "get")
SETBIT = ("SETBIT", "key:__rand_int__", "100", "1")
PFADD = ("PFADD", "sketch", "element:__rand_int__")
MGET = ("MGET", *["key:__rand_int__"] * 100)
BESIDE_WRITERS = ("name=readers clients=5 seconds={seconds} keys={keys} : 1 GET key:#",
                  "name=writers clients=20 keys={keys} : 1 SET big:# $1024")


def mix(pipeline):
    return mixed((f"clients=50 pipeline={pipeline} seconds={{seconds}} keys={{keys}} : "
                  "1 SET key:# $64 EX 100000 / 10 GET key:#",))


CASES = [
    Case("set-p1", "SET, always, 50 clients", ALWAYS, benchmark(SET), (rate(1.05), cpu(0.9))),
    Case("set-p16", "SET, always, pipeline 16", ALWAYS, benchmark(SET, 16), (rate(2.5), cpu(0.45))),
    Case("set-p64", "SET, always, pipeline 64", ALWAYS, benchmark(SET, 64), (rate(4), cpu(0.45))),
    Case("set-one", "SET, always, one client", ALWAYS, benchmark(SET, clients=1), (at_most("p50", 0.85),)),
    Case("get-p1", "GET, 50 clients", ALWAYS, benchmark(GET), (rate(1), cpu(0.95))),
    Case("get-p16", "GET, pipeline 16", ALWAYS, benchmark(GET, 16), (rate(1.7), cpu(0.55))),
    Case("get-p64", "GET, pipeline 64", ALWAYS, benchmark(GET, 64), (rate(2.2), cpu(0.55))),
    Case("get-beside", "GET by 5 clients, beside 20 durable writers of 1 KB", ALWAYS, mixed(BESIDE_WRITERS),
         (rate(4), at_most("p99", 0.333))),
    Case("mixed-p1", "SET EX and GET 1:10, always, 50 clients", ALWAYS, mix(1), (rate(1),)),
    Case("mixed-p16", "SET EX and GET 1:10, always, pipeline 16", ALWAYS, mix(16), (rate(1.5),)),
    Case("mset-p1", "MSET of 10 keys, always, 50 clients", ALWAYS, benchmark(("-t", "mset")), (rate(1),)),
    Case("mset-p16", "MSET of 10 keys, always, pipeline 16", ALWAYS, benchmark(("-t", "mset"), 16), (rate(1.5),)),
    Case("incr-p1", "INCR, always, 50 clients", ALWAYS, benchmark(("-t", "incr")), (rate(1),)),
    Case("incr-p16", "INCR, always, pipeline 16", ALWAYS, benchmark(("-t", "incr"), 16), (rate(1.5),)),
    Case("setbit-p1", "SETBIT, always, 50 clients", ALWAYS, benchmark(SETBIT), (rate(1),)),
    Case("setbit-p16", "SETBIT, always, pipeline 16", ALWAYS, benchmark(SETBIT, 16), (rate(1),)),
    Case("pfadd-p1", "PFADD, always, 50 clients", ALWAYS, benchmark(PFADD), (rate(1),)),
    Case("pfadd-p16", "PFADD, always, pipeline 16", ALWAYS, benchmark(PFADD, 16), (rate(1),)),
    Case("mget-p1", "MGET of 100 keys, 50 clients", ALWAYS, benchmark(MGET), (rate(1),)),
    Case("publish-p1", "PUBLISH to 100 subscribers, 50 clients", ALWAYS, measures.publishing, (rate(1),)),
    Case("set-1k-p1", "SET of 1 KB, always, 50 clients", KIB, benchmark(SET, value=1024), (rate(1),)),
    Case("set-1k-p16", "SET of 1 KB, always, pipeline 16", KIB, benchmark(SET, 16, value=1024), (rate(1.5),)),
    Case("get-1k-p1", "GET of 1 KB, 50 clients", KIB, benchmark(GET, value=1024), (rate(1),)),
    Case("get-1k-p16", "GET of 1 KB, pipeline 16", KIB, benchmark(GET, 16, value=1024), (rate(1.5),)),
    Case("set-16k-p1", "SET of 16 KB, always, 50 clients", KIB16, benchmark(SET, value=16384), (rate(1),)),
    Case("set-16k-p16", "SET of 16 KB, always, pipeline 16", KIB16, benchmark(SET, 16, value=16384), (rate(1.5),)),
    Case("get-16k-p1", "GET of 16 KB, 50 clients", KIB16, benchmark(GET, value=16384), (rate(1),)),
    Case("get-16k-p16", "GET of 16 KB, pipeline 16", KIB16, benchmark(GET, 16, value=16384), (rate(1.5),)),
]


def relaxed(tag, stage):
    """What a policy that waits for no disk has to keep of the lead."""
    return [
        Case(f"set-p1-{tag}", f"SET, {stage.setting}, 50 clients", stage, benchmark(SET), (rate(1.05), cpu(0.9))),
        Case(f"set-p16-{tag}", f"SET, {stage.setting}, pipeline 16", stage, benchmark(SET, 16), (rate(2.5), cpu(0.45))),
        Case(f"set-p64-{tag}", f"SET, {stage.setting}, pipeline 64", stage, benchmark(SET, 64), (rate(4), cpu(0.45))),
        Case(f"set-one-{tag}", f"SET, {stage.setting}, one client", stage, benchmark(SET, clients=1),
             (at_most("p50", 1),)),
        Case(f"get-p16-{tag}", f"GET, {stage.setting}, pipeline 16", stage, benchmark(GET, 16), (rate(1.7), cpu(0.55))),
        Case(f"mixed-p16-{tag}", f"SET EX and GET 1:10, {stage.setting}, pipeline 16", stage, mix(16), (rate(1.5),)),
    ]


CASES += relaxed("everysec", EVERYSEC) + relaxed("nolog", NO_LOG)

LARGE = Stage(keys="keys_large")
LARGE_EXPIRING = Stage(keys="keys_large", commands=("SET key:# $64 EX 1000000",))
EMPTY = Stage(keys="")
EMPTY_NO_LOG = Stage(setting="no log", keys="")

GROWING = measures.growing("SET key:# $64", "keys_grown")
EXPIRING = measures.expiring("SET key:# $64 PXAT {due}")

# Where no fork is involved, nobody waits for longer.
PAUSES_WITH_FORK = (at_most("p99.9", 1), at_most("max", 1))
PAUSES = PAUSES_WITH_FORK + (below("max", 10),)

CASES += [
    Case("memory", "memory per key, 16 + 64 bytes", LARGE, measures.memory, (at_most("bytes", 0.65),), rounds=1),
    # In this order: the first rewrite ends what can be replayed.
    Case("replay", "restart after SIGKILL, replaying the log", LARGE, measures.restart, (at_most("seconds", 0.3),)),
    Case("rewrite", "rewrite", LARGE, measures.rewrite, (at_most("seconds", 0.35),)),
    Case("base-load", "restart after SIGKILL, from a rewritten base", LARGE, measures.restart,
         (at_most("seconds", 0.35),), prepare=measures.rewrite),
    Case("pause-rewrite", "a rewrite, beside 50 k SET/s", LARGE, measures.rewriting(measures.WRITERS),
         PAUSES_WITH_FORK),
    Case("fork-memory", "memory during a rewrite, beside 50 k SET/s", LARGE, measures.rewrite_memory,
         (at_most("extra", 1),)),
    Case("memory-ttl", "memory per key with a time to live", LARGE_EXPIRING, measures.memory, (at_most("bytes", 0.65),),
         rounds=1),
    Case("idle-ttl", "doing nothing, with keys that expire some day", LARGE_EXPIRING, measures.idling,
         (below("wakeups", 5), below("idle", 0.05)), rounds=1),
    Case("pause-growing", "the table grows, 250 k SET/s", EMPTY, GROWING, PAUSES),
    Case("pause-expiring", "1 M keys expire at once", EMPTY, EXPIRING, PAUSES),
    Case("pause-flushing", "FLUSHALL ASYNC", EMPTY, measures.flushing, PAUSES),
    Case("start", "start of an empty server", EMPTY, measures.starting, (below("ready", 10),), rounds=9),
    Case("idle", "doing nothing, with a million keys", ALWAYS, measures.idling,
         (below("wakeups", 5), below("idle", 0.05)), rounds=1),
    Case("pause-growing-nolog", "the table grows, 250 k SET/s, no log", EMPTY_NO_LOG, GROWING, PAUSES),
]

# Few keys with large values. How often they are set is what value files are for.
SET_16M = ("clients=1 requests={requests_16m} keys={keys} : 1 SET key:# $16777216",)
GET_16M = ("clients=1 requests={requests_16m} keys={keys} : 1 GET key:#",)

CASES += [
    Case("set-16m", "SET of 16 MB onto 8 keys, one client, always", MIB16, mixed(SET_16M), (rate(3.33),)),
    Case("get-16m", "GET of 16 MB, one client", MIB16, mixed(GET_16M), (rate(1.5),)),
    Case("beside-16m", "GET of 64 bytes, beside SETs and GETs of 16 MB", MIB16, measures.beside_streams,
         (at_most("p99", 0.25),)),
    Case("disk-16m", "disk taken by 16 MB set onto 8 keys", MIB16, measures.large_disk_use(mixed(SET_16M)),
         (below("written", 1.05), below("again", 1), below("folder", 1.1)), rounds=1),
    Case("restart-16m", "restart after SIGKILL, 8 values of 16 MB", MIB16, measures.restart, (at_most("seconds", 0.5),)),
    Case("restart-16m-lazy", "the same, values read on first use", MIB16_FIRST_USE, measures.restart,
         (below("seconds", 0.2),)),
    Case("set-16m-nolog", "SET of 16 MB onto 8 keys, one client, no log", MIB16_NO_LOG, mixed(SET_16M), (rate(1.5),)),
    Case("beside-16m-nolog", "GET of 64 bytes, beside SETs and GETs of 16 MB", MIB16_NO_LOG, measures.beside_streams,
         (at_most("p99", 0.25),)),
]

CASES += hash_cases.CASES
