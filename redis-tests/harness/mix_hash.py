"""Random commands for hashes, and for the times to live of their fields, which Redis has since 7.4 and 8.0."""

import re

from harness import mix as base
from harness.mix import FLOATS, INTEGERS, NOT_FLOATS, NOT_INTEGERS, ODD_KEYS, generates, make, simple

# The highest time of a field that Redis takes, in milliseconds.
FIELD_TIME_MAX = (1 << 46) - 1
LISTPACK_ENTRIES = [512, 512, 128, 16, 5, 1, 0]
LISTPACK_VALUES = [64, 64, 64, 20, 3, 0, 500]


class Fields:
    """One episode's fields and what is in them: mostly what a listpack may hold, or there would be nothing but tables."""

    def __init__(self, mix):
        self.names = [b"f%d" % i for i in range(mix.pick([3, 20, 20, 100, 1000, 5000]))]
        if mix.chance(0.6):
            self.names[: len(self.names) // 3] = (ODD_KEYS * (len(self.names) // 60 + 1))[: len(self.names) // 3]
        if mix.chance(0.4):
            self.names += [b"%d" % mix.between(-20, 70000) for _ in range(len(self.names) // 3)]
        if mix.chance(0.3):
            self.names += [mix.rng.randbytes(mix.between(1, 70)) for _ in range(len(self.names) // 3)]
        self.entries = mix.pick(LISTPACK_ENTRIES)
        self.value_bytes = mix.pick(LISTPACK_VALUES)
        self.long_chance = mix.pick([0, 0.001, 0.05, 0.5])
        self.many_chance = mix.pick([0.01, 0.05, 0.2])
        # Two servers' clocks: fields with relative times may end up in another order.
        self.relative_times = mix.chance(0.3)

    def name(self, mix):
        chance = mix.unit()
        if chance < 0.6:
            return self.names[int(mix.unit() ** 3 * len(self.names))]
        if chance < 0.97:
            return mix.pick(self.names)
        return mix.value()[:100]

    def value(self, mix):
        if mix.unit() < self.long_chance:
            return mix.value()
        chance = mix.unit()
        if chance < 0.4:
            return b"%d" % mix.between(-300, 300)
        if chance < 0.6:
            return mix.pick(INTEGERS)
        if chance < 0.7:
            return mix.floating()
        if chance < 0.75:
            return mix.pick(NOT_INTEGERS + NOT_FLOATS)[:64]
        return mix.rng.randbytes(mix.pick([0, 1, 5, 20, 62, 63, 64, 64, mix.below(64)]))


def fields_of(mix):
    if mix.fields is None:
        mix.fields = Fields(mix)
    return mix.fields


def directives(mix):
    """CONFIG SET's arguments for an episode: from which size on a hash is a table."""
    fields = fields_of(mix)
    return [b"hash-max-listpack-entries", b"%d" % fields.entries, b"hash-max-listpack-value", b"%d" % fields.value_bytes]


def name(mix):
    return fields_of(mix).name(mix)


def names(mix, most=6):
    fields = fields_of(mix)
    count = mix.between(1, most) if mix.unit() > fields.many_chance else mix.between(10, 300)
    return [fields.name(mix) for _ in range(count)]


def named_values(mix):
    """Fields and values: few, or as many as around the size at which a listpack becomes a table."""
    fields = fields_of(mix)
    if mix.unit() > fields.many_chance:
        pairs = [(fields.name(mix), fields.value(mix)) for _ in range(mix.pick([1, 1, 1, 2, 5]))]
        # From 7.2 on as many as that make a table, even if some of them are the same.
        return [word for pair in (dict(pairs).items() if len(pairs) > fields.entries else pairs) for word in pair]
    first = mix.below(len(fields.names))
    count = mix.pick([10, 16, 17, 100, 128, 129, 300, 512, 513, 600])
    return [word for field in dict.fromkeys(fields.names[first : first + count]) for word in (field, fields.value(mix))]


# Methods of Mix, by which templates of simple() name them.
base.Mix.name = name
base.Mix.field_value = lambda mix: fields_of(mix).value(mix)

simple(60, "HGET key name", needs=b"hget", type="hash")
simple(15, "HEXISTS key name", "HSETNX key name field_value", "HSTRLEN key name", "HLEN key", needs=b"hget", type="hash")
simple(15, "HINCRBY key name integer", "HINCRBYFLOAT key name floating", needs=b"hget", type="hash")
simple(10, "HGETALL key", "HKEYS key", "HVALS key", needs=b"hget", type="hash")
# A value of another type in the way, or out of it.
simple(2, "SET key value", "GET key", "APPEND key value", "INCR key", "GETDEL key", "STRLEN key", needs=b"hget", type="hash")


@generates(70, needs=b"hset", type="hash")
def hset(mix):
    args = [mix.pick([b"HSET", b"HSET", b"HSET", b"HMSET"]), mix.key(), *named_values(mix)]
    return args if mix.unit() < 0.98 else args[:-1]


@generates(25, needs=b"hdel", type="hash")
def hdel(mix):
    return [b"HDEL", mix.key(), *names(mix)]


@generates(20, needs=b"hmget", type="hash")
def hmget(mix):
    return [b"HMGET", mix.key(), *names(mix)]


@generates(3, needs=b"hincrby", type="hash")
def hincrby_far(mix):
    """Where numbers end."""
    if mix.unit() < 0.5:
        return [b"HINCRBY", mix.key(), name(mix), mix.pick(INTEGERS)]
    return [b"HINCRBYFLOAT", mix.key(), name(mix), mix.pick(FLOATS + NOT_FLOATS)]


@generates(10, needs=b"hrandfield", type="hash")
def hrandfield(mix):
    args = [b"HRANDFIELD", mix.key()]
    chance = mix.unit()
    if chance < 0.2:
        return args
    if chance < 0.8:
        args.append(b"%d" % mix.between(-20, 20))
    elif chance < 0.9:
        args.append(b"%d" % mix.pick([0, -600, 600, 1000, 9223372036854775807, -1000]))
    else:
        # Never as many as would fill the memory.
        args.append(mix.pick([b"-9223372036854775808", *NOT_INTEGERS, b"4611686018427387904"]))
    if mix.unit() < 0.5:
        args.append(mix.pick([b"WITHVALUES", b"WITHVALUES", b"withvalues", b"NOSUCH", b"WITHSCORES"]))
    return args


@generates(12, spoil=False, needs=b"hscan", type="hash")
def hscan(mix):
    """All of it at once: where a step of a table ends is each server's own affair."""
    if mix.unit() < 0.1:
        return mix.pick(
            [
                [b"HSCAN", mix.key(), mix.pick([b"abc", b"1.5", b"18446744073709551616", b"1" * 30, b"-"])],
                [b"HSCAN", mix.key(), b"0", b"COUNT", mix.pick([b"0", b"-1", *NOT_INTEGERS])],
                [b"HSCAN", mix.key(), b"0", mix.pick([b"NOSUCH", b"TYPE", b"WITHSCORES"]), b"hash"],
                [b"HSCAN", mix.key(), b"0", mix.pick([b"COUNT", b"MATCH"])],
                [b"HSCAN", mix.key()],
            ]
        )
    options = [[b"COUNT", b"1000000"]]
    if mix.unit() < 0.5:
        options.append([b"MATCH", mix.pick([mix.pattern(), b"f*", b"f1*", b"*[0-9]", name(mix)])])
    if b"hgetex" in mix.commands and mix.unit() < 0.4:
        options.append([b"NOVALUES"])
    mix.rng.shuffle(options)
    return [b"HSCAN", mix.key(), b"0", *[word for option in options for word in option]]


def belonging_together(mix):
    """Two commands of one transaction, the second of which tells what the first may say (comparing.py)."""
    if b"hset" not in mix.commands:
        return
    key = mix.pick(mix.pools.get("hash") or mix.keys)
    everything = [b"HGETALL", key]
    if mix.unit() < 0.5:
        yield make([b"OBJECT", b"ENCODING", key])
        yield make(mix.pick([everything, [b"HKEYS", key], [b"HVALS", key], [b"HSCAN", key, b"0", b"COUNT", b"1000000"]]))
        return
    args = [b"HRANDFIELD", key]
    if mix.unit() < 0.8:
        args.append(b"%d" % mix.pick([1, 3, 10, 100, 600, 10000, -1, -5, -50]))
        args += [b"WITHVALUES"] * (mix.unit() < 0.5)
    yield make(args)
    yield make(everything)


@generates(4, spoil=False, needs=b"hset", type="hash")
def getkeys(mix):
    commands = [[b"HSET", b"a", b"b", b"c"], [b"HGET", b"a", b"b"], [b"hdel", b"a", b"b"], [b"HSCAN", b"a", b"0"],
                [b"HRANDFIELD", b"a"], [b"HGETALL", mix.key()], [b"HSET", b"a"], [b"HINCRBYFLOAT", b"", b"1", b"1"]]  # fmt: skip
    return [b"COMMAND", b"GETKEYS", *mix.pick(commands)]


# --- whole values -----------------------------------------------------------------------------------------------------

HASH, HASH_LISTPACK = b"\x04", b"\x10"
HASH_WITH_TIMES, LISTPACK_WITH_TIMES = b"\x18", b"\x19"


def length(size):
    if size < 64:
        return b"%c" % size
    return (0x4000 | size).to_bytes(2, "big") if size < 16384 else b"\x80" + size.to_bytes(4, "big")


def string(text):
    return length(len(text)) + text


def listpack_element(text):
    """In the smallest form, as Redis writes it (listpack.c, "Listpacks specification" by Sanfilippo)."""
    number = int(text) if re.fullmatch(rb"0|-?[1-9][0-9]{0,18}", text) else None
    if number is not None and -(2**63) <= number < 2**63:
        if 0 <= number <= 127:
            encoded = b"%c" % number
        elif -4096 <= number <= 4095:
            encoded = (0xC000 | number & 0x1FFF).to_bytes(2, "big")
        else:
            size, mark = next((s, m) for s, m in [(2, 0xF1), (3, 0xF2), (4, 0xF3), (8, 0xF4)] if -(1 << 8 * s - 1) <= number
                              < 1 << 8 * s - 1)  # fmt: skip
            encoded = b"%c" % mark + number.to_bytes(size, "little", signed=True)
    elif len(text) < 64:
        encoded = b"%c" % (0x80 | len(text)) + text
    elif len(text) < 4096:
        encoded = (0xE000 | len(text)).to_bytes(2, "big") + text
    else:
        encoded = b"\xf0" + len(text).to_bytes(4, "little") + text
    return encoded + backward_length(len(encoded))


def backward_length(size):
    groups = []
    while True:
        groups.append(size & 127)
        size >>= 7
        if size == 0:
            break
    return bytes([group | (0x80 if i < len(groups) - 1 else 0) for i, group in reversed(list(enumerate(groups)))])


def listpack(elements):
    body = b"".join(map(listpack_element, elements)) + b"\xff"
    return (len(body) + 6).to_bytes(4, "little") + min(len(elements), 65535).to_bytes(2, "little") + body


def payload(mix):
    """What DUMP gives for a hash, but for its being cut short now and then."""
    words = named_values(mix)
    pairs = list(dict(zip(words[::2], words[1::2])).items())
    if mix.unit() < 0.03:
        pairs.append(pairs[0])  # Bad data format
    kinds = [HASH, HASH_LISTPACK]
    version = b"\x0a\0"
    if b"hpexpire" in mix.commands and mix.unit() < 0.5:
        kinds = [HASH_WITH_TIMES, LISTPACK_WITH_TIMES]
        version = b"\x0c\0"
    kind = mix.pick(kinds)
    if kind == HASH:
        body = length(len(pairs)) + b"".join([string(word) for pair in pairs for word in pair])
    elif kind == HASH_LISTPACK:
        body = string(listpack([word for pair in pairs for word in pair]))
    else:
        body = with_times(mix, kind, pairs)
    made = kind + body + version
    made += base.crc64(made).to_bytes(8, "little")
    return made if mix.unit() < 0.95 else made[: mix.below(len(made))]


def with_times(mix, kind, pairs):
    times = sorted((mix.now_ms + mix.between(10**6, 10**9) for _ in pairs), key=lambda time: (time == 0, time))
    without = mix.below(len(pairs))
    times = [time if i < len(pairs) - without else 0 for i, time in enumerate(times)]
    lowest = times[0]
    if kind == LISTPACK_WITH_TIMES:
        words = [word for (field, value), time in zip(pairs, times) for word in (field, value, b"%d" % time)]
        return lowest.to_bytes(8, "little") + string(listpack(words))
    body = b"".join([length_of_time(time and time - lowest + 1) + string(field) + string(value)
                     for (field, value), time in zip(pairs, times)])  # fmt: skip
    return lowest.to_bytes(8, "little") + length(len(pairs)) + body


def length_of_time(number):
    return length(number) if number < 1 << 32 else b"\x81" + number.to_bytes(8, "big")


@generates(8, spoil=False, needs=b"hset", type="hash")
def dump_and_restore(mix):
    if mix.unit() < 0.3:
        return [b"DUMP", mix.key()]
    args = [b"RESTORE", mix.key(), b"0", payload(mix)]
    if mix.unit() < 0.4:
        absolute = mix.unit() < 0.5
        args[2] = mix.time(True, absolute, may_be_past=False)
        if args[2].startswith(b"92233720368547758"):  # wraps around in redis
            args[2] = b"5000000"
        args += [b"ABSTTL"] * absolute
    return args + [b"REPLACE"] * (mix.unit() < 0.7)


# --- times to live of fields ------------------------------------------------------------------------------------------


def field_time(mix, milliseconds, absolute):
    """Far off or long past; never a moment that a test could live to see."""
    chance = mix.unit()
    unit = 1 if milliseconds else 1000
    if chance < 0.06:
        ends = [0, -1, FIELD_TIME_MAX + 1, 1 << 48, 2**63 - 1, -(2**63), (2**63 - 1) // 1000]
        return mix.pick([*[b"%d" % (end // unit) for end in ends], *NOT_INTEGERS])
    if chance < 0.16 and mix.past_times:
        return b"%d" % max(1, (mix.now_ms - mix.between(1, 10**9) - 5000) // unit) if absolute else b"0"
    if chance < 0.2 and absolute and milliseconds:
        return b"%d" % (FIELD_TIME_MAX - mix.below(3))
    return b"%d" % (((mix.now_ms if absolute else 0) + mix.between(100_000, 1_000_000_000)) // unit)


def some_fields(mix, make_words=names, each=1):
    """FIELDS n field ..., n being right as a rule."""
    words = make_words(mix)
    count = len(words) // each
    if mix.unit() < 0.03:
        count = mix.pick([0, -1, count + 1, count - 1, 2**31, 2**63 - 1])
    told = b"%d" % count if mix.unit() < 0.99 else mix.pick(NOT_INTEGERS)
    return [mix.pick([b"FIELDS", b"FIELDS", b"fields"]) if mix.unit() < 0.99 else b"FIELD", told, *words]


def ordered(mix, options, fields):
    """Options before the fields, as they should be, or for once behind them."""
    mix.rng.shuffle(options)
    words = [word for option in options for word in option]
    return words + fields if mix.unit() < 0.98 else fields + words


@generates(40, needs=b"hexpire", type="hash")
def hexpire(mix):
    relative = fields_of(mix).relative_times
    command = mix.pick([b"HEXPIRE", b"HPEXPIRE", b"HEXPIREAT", b"HPEXPIREAT"] if relative else [b"HEXPIREAT", b"HPEXPIREAT"])
    args = [command, mix.key(), field_time(mix, command[1:2] == b"P", command[-2:] == b"AT")]
    options = []
    if mix.unit() < 0.4:
        options.append([mix.pick([b"NX", b"XX", b"GT", b"LT", b"gt", b"lt"])])
    if mix.unit() < 0.02:
        options.append([mix.pick([b"NX", b"XX", b"GT", b"LT", b"NOSUCH", b"PERSIST"])])
    return args + ordered(mix, options, some_fields(mix))


@generates(15, needs=b"httl", type="hash")
def times_of_fields(mix):
    return [mix.pick([b"HTTL", b"HPTTL", b"HEXPIRETIME", b"HPEXPIRETIME"]), mix.key(), *some_fields(mix)]


@generates(12, needs=b"hpersist", type="hash")
def hpersist(mix):
    return [b"HPERSIST", mix.key(), *some_fields(mix)]


@generates(12, needs=b"hgetdel", type="hash")
def hgetdel(mix):
    return [b"HGETDEL", mix.key(), *some_fields(mix)]


def time_option(mix):
    relative = fields_of(mix).relative_times
    word = mix.pick([b"EX", b"PX", b"EXAT", b"PXAT", b"ex"] if relative else [b"EXAT", b"PXAT", b"pxat"])
    return [word, field_time(mix, word[:1].upper() == b"P", word[-2:].upper() == b"AT")]


@generates(15, needs=b"hgetex", type="hash")
def hgetex(mix):
    chance = mix.unit()
    options = []
    if chance < 0.6:
        options.append(time_option(mix))
    elif chance < 0.8:
        options.append([b"PERSIST"])
    if mix.unit() < 0.03:
        options.append(mix.pick([[b"PERSIST"], [b"KEEPTTL"], [b"NX"], [b"EX"], time_option(mix)]))
    return [b"HGETEX", mix.key(), *ordered(mix, options, some_fields(mix))]


@generates(25, needs=b"hsetex", type="hash")
def hsetex(mix):
    chance = mix.unit()
    options = []
    if chance < 0.6:
        options.append(time_option(mix))
    elif chance < 0.8:
        options.append([b"KEEPTTL"])
    if mix.unit() < 0.4:
        options.append([mix.pick([b"FNX", b"FXX", b"fnx"])])
    if mix.unit() < 0.03:
        options.append(mix.pick([[b"PERSIST"], [b"KEEPTTL"], [b"NX"], [b"FNX"], [b"EX"], time_option(mix)]))
    return [b"HSETEX", mix.key(), *ordered(mix, options, some_fields(mix, named_values, 2))]


def short_lived(mix, key, after):
    """Fields that are gone when the caller has waited."""
    fields = names(mix)
    return mix.pick(
        [
            [b"HPEXPIRE", key, after, b"FIELDS", b"%d" % len(fields), *fields],
            [b"HGETEX", key, b"PX", after, b"FIELDS", b"%d" % len(fields), *fields],
            [b"HSETEX", key, b"PX", after, b"FIELDS", b"1", name(mix), b"short"],
        ]
    )
