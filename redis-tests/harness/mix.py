"""Random commands: what the differential test sends.

A mix is drawn for each episode: which keys, databases, values and commands are likely differs from one to the next,
so that rare combinations come up in some of them (Groce et al., "Swarm Testing", ISSTA 2012). Everything follows from
the seed, but for absolute times, which count from the moment the episode began.

What two servers cannot agree on is never asked for: a time to live is at least 100 seconds or long past (short ones
get a barrier, see differential.py), relative ones are never compared with each other to the millisecond, and a command
that could wait forever or end the server is not sent.
"""

from collections import namedtuple

# kind: how replies are compared (see comparing.py); None: byte for byte.
Command = namedtuple("Command", "args kind")

DATABASES = 16

INTEGERS = [
    b"0", b"1", b"-1", b"2", b"10", b"100", b"255", b"-100", b"1000", b"9999", b"10000", b"123456789",
    b"2147483647", b"-2147483648", b"4294967296", b"9223372036854775807", b"-9223372036854775808",
    b"9223372036854775806", b"-9223372036854775807", b"4611686018427387904",
]  # fmt: skip
# Nothing here is an integer from 1 to 100000000: as a time to live that would run out during the test.
NOT_INTEGERS = [
    b"", b" ", b"abc", b"1.5", b" 100000000000", b"100000000000 ", b"+1", b"01", b"-0", b"-01", b"1e3", b"0x10", b"inf",
    b"nan", b"9223372036854775808", b"-9223372036854775809", b"18446744073709551616", b"1" * 30, b"-", b"--1",
    b"1\x00", b"\x00", b"1_000", "１".encode(), b"NX", b"XX", b"*", b"\xff\xfe",
]  # fmt: skip
FLOATS = [
    b"0", b"0.0", b"-0", b"-0.0", b"0.1", b"-0.1", b"1.5", b"3.0e3", b"1e-10", b"1e10", b"1e17", b"1e18", b"-1e18",
    b"1e20", b"1e300", b"1e400", b"1e4932", b"1e5000", b"-1e4931", b"1e-4940", b"123456789.123456789", b".5", b"5.",
    b"+1", b"+.5e1", b"1E2", b"0x1p3", b"0xA", b"5.0000000000000000001", b"0.30000000000000004", b"10.500", b"00012.5",
    b"99999999999999999999.5", b"3.1415926535897932384626433832795", b"1e-17", b"1e-18", b"0.00000000000000005",
]  # fmt: skip
NOT_FLOATS = [
    b"", b" 1", b"1 ", b"abc", b"1.2.3", b"1e", b"e5", b"nan", b"-nan", b"inf", b"-inf", b"infinity", b"1,5", b"1\x00",
    b"0x", b"--1", b"+-1", b".", b"1" * 300,
]  # fmt: skip
ODD_KEYS = [
    b"", b" ", b"\x00", b"\r\n", b"a b", b"\xff\xfe\xfd", "schlüssel".encode(), b"k\x001", b"*", b"[k]*", b"k\\1", b"?",
    b"{tag}key", b"key:" * 16, b"L" * 300, b"L" * 301, b"M" * 4096, b"NX", b"EX", b"-1", b"$5\r\n", b"k" + b"\x00" * 40,
]  # fmt: skip
PATTERNS = [
    b"*", b"k*", b"k?", b"k1?", b"*1", b"*1*", b"k[1-3]*", b"k[^1]*", b"k[3-1]", b"[kL]*", b"", b"**", b"*?*", b"\\*",
    b"k\\1", b"k[", b"k[1", b"k[1-", b"k[\\1]", b"*\\", b"[^k]*", b"\x00*", b"*\xff*", b"k1", b"nothing", b"a b",
    b"[]", b"[^]", b"k[]1]", b"{tag}*", b"*" * 20 + b"x",
]  # fmt: skip
NAMES = [b"alice", b"", b"a b", b"new\nline", b"\x00", "ü".encode(), b"x" * 100, b"worker-1", b"~!@#"]


class Chooser:
    """Fast draws: random.Random's own methods cost more than the rest of making a command."""

    def __init__(self, rng):
        self.rng = rng
        self.unit = rng.random

    def below(self, bound):
        return int(self.unit() * bound)

    def between(self, low, high):
        return low + int(self.unit() * (high - low + 1))

    def pick(self, sequence):
        return sequence[int(self.unit() * len(sequence))]

    def chance(self, probability):
        return self.unit() < probability

    def weighted(self, cumulative, items):
        return self.rng.choices(items, cum_weights=cumulative)[0]


class Mix(Chooser):
    """One episode's keys, values and likelihoods."""

    def __init__(self, rng, now_ms, commands, protocol=None, near=None, types=None):
        """commands: names the servers know; what a generator needs beyond those stays out. protocol: the version that
        every connection speaks; None: any. near: many values and offsets lie around so many bytes. types: commands of
        these types of values only, and of those that take any; None: all there are."""
        super().__init__(rng)
        self.now_ms = now_ms
        self.protocol = protocol
        self.near = near
        self.types = types
        self.key_count = self.pick([5, 30, 30, 200, 200, 2000, 20000])
        self.commands = commands
        self.keys = self._draw_keys()
        self.pool = self.keys
        self.databases = rng.sample(range(DATABASES), self.pick([1, 2, 4, DATABASES]))
        self.values = self._draw_values()
        self.lanes = self.between(1, 3)
        self.spoil_chance = self.pick([0, 0.02, 0.1])
        self.past_times = self.chance(0.5)
        self.short_times = self.chance(0.3)
        self.case_chance = self.pick([0, 0.2])
        likely = []
        total = 0.0
        for generator in GENERATORS:
            if generator.needs and generator.needs not in commands:
                continue
            if types and generator.type not in types and generator.type != "any":
                continue
            total += generator.weight * self.pick([0.2, 1, 1, 5])
            likely.append((total, generator))
        self._cumulative = [total for total, _ in likely]
        self._generators = [generator for _, generator in likely]
        self.fields = None  # mix_hash.py's own
        self._draw_pools(sorted({generator.type for generator in self._generators} - {"any"}))

    def _draw_pools(self, types):
        """Most commands keep to keys of their type, or there would be little but WRONGTYPE; some do not."""
        self.crossing = self.pick([0.01, 0.05, 0.05, 1]) if len(types) > 1 else 1
        shares = [self.pick([1, 1, 5]) for _ in types]
        self.pools = {kind: [] for kind in types}
        for key, kind in zip(self.keys, self.rng.choices(types, shares, k=len(self.keys))):
            self.pools[kind].append(key)

    def describe(self):
        return (
            f"{self.key_count} keys, databases {sorted(self.databases)}, {self.lanes} connections, "
            f"spoil {self.spoil_chance}, past {self.past_times}, short {self.short_times}"
        )

    def _draw_keys(self):
        keys = [b"k%d" % i for i in range(self.key_count)]
        if self.chance(0.7):
            keys[: self.key_count // 4] = (ODD_KEYS * (self.key_count // 40 + 1))[: self.key_count // 4]
        if self.chance(0.3):
            keys += [self.rng.randbytes(self.between(1, 40)) for _ in range(self.key_count // 4)]
        return keys

    def _draw_values(self):
        makers = [
            lambda: b"%d" % self.below(20000),
            lambda: b"%d" % self.between(-(2**63), 2**63 - 1),
            lambda: self.pick(INTEGERS),
            lambda: self.pick(NOT_INTEGERS + NOT_FLOATS),
            lambda: self.pick(FLOATS),
            lambda: self.rng.randbytes(self.between(1, 16)),
            lambda: b"v" * self.between(40, 48),
            lambda: b"%d" % self.below(10) * self.between(18, 22),
            lambda: self.rng.randbytes(self.between(0, 500)),
            lambda: self.rng.randbytes(self.between(0, 4096)),
        ]
        weights = [self.pick([0.2, 1, 3]) for _ in makers]
        values = [self.rng.choices(makers, weights)[0]() for _ in range(400)]
        if self.chance(0.15):
            values.append(self.rng.randbytes(100 * 1024))
        if self.near:
            values += [self.rng.randbytes(self.near_bytes()) for _ in range(100)]
            values += [self.rng.randbytes(self.near // self.between(2, 8)) for _ in range(50)]
        return values

    def near_bytes(self):
        return self.between(self.near - self.near // 8, self.near + self.near // 8)

    # --- arguments ---------------------------------------------------------------------------------------------

    def key(self):
        # Some keys are much used.
        if self.unit() < 0.5:
            return self.pool[int(self.unit() ** 3 * len(self.pool))]
        return self.pick(self.pool)

    def some_keys(self, most=5):
        return [self.key() for _ in range(self.between(1, most))]

    def value(self):
        return self.pick(self.values)

    def integer(self):
        chance = self.unit()
        if chance < 0.5:
            return b"%d" % self.between(-1000, 1000)
        if chance < 0.9:
            return self.pick(INTEGERS)
        return self.pick(NOT_INTEGERS)

    def offset(self):
        if self.near and self.chance(0.15):
            return b"%d" % self.near_bytes()
        chance = self.unit()
        if chance < 0.7:
            return b"%d" % self.between(-10, 60)
        if chance < 0.85:
            return b"%d" % self.between(-5000, 5000)
        return self.integer()

    def bit_offset(self):
        """Never one that is allowed and would need much memory."""
        if self.near and self.chance(0.15):
            return b"%d" % (self.near_bytes() * 8)
        chance = self.unit()
        if chance < 0.8:
            return b"%d" % self.below(500)
        if chance < 0.95:
            return b"%d" % self.below(40000)
        return self.pick([b"4294967296", b"4294967304", b"9223372036854775807", b"-1", *NOT_INTEGERS])

    def floating(self):
        chance = self.unit()
        if chance < 0.4:
            return b"%.*f" % (self.below(6), (self.unit() - 0.5) * 10 ** self.below(6))
        if chance < 0.9:
            return self.pick(FLOATS)
        return self.pick(NOT_FLOATS)

    def database(self):
        if self.unit() < 0.95:
            return b"%d" % self.pick(self.databases)
        return self.pick([b"-1", b"16", b"99999999999999999999", b"abc", b"", b"2147483648", b"1.0"])

    def bad_time(self):
        if self.unit() < 0.5:
            return self.pick([b"0", b"-1", b"-9223372036854775808", b"9223372036854775807", b"9223372036854775"])
        return self.pick(NOT_INTEGERS)

    def time(self, milliseconds, absolute, may_be_past=True):
        """A time to live that is far off, long past, or no time at all."""
        chance = self.unit()
        if chance < 0.06:
            return self.bad_time()
        unit = 1 if milliseconds else 1000
        if chance < 0.16 and may_be_past and self.past_times:
            ago = self.between(1, 10**9)
            if absolute:
                return b"%d" % max(1, (self.now_ms - ago - 5000) // unit)
            return b"%d" % -(ago // unit + 1)
        ahead = self.between(100_000, 1_000_000_000)
        return b"%d" % (((self.now_ms if absolute else 0) + ahead) // unit)

    def time_option(self, may_be_past=True):
        name = self.pick([b"EX", b"PX", b"EXAT", b"PXAT"])
        return [name, self.time(name[:1] == b"P", name[-2:] == b"AT", may_be_past)]

    def pattern(self):
        return self.pick(PATTERNS)

    # --- commands ----------------------------------------------------------------------------------------------

    def command(self):
        """One command, sometimes spoiled."""
        generator = self.rng.choices(self._generators, cum_weights=self._cumulative)[0]
        pool = self.pools.get(generator.type)
        self.pool = pool if pool and self.unit() >= self.crossing else self.keys
        args = generator.function(self)
        if generator.spoil and self.unit() < self.spoil_chance:
            args = self.spoiled(args)
        if self.case_chance and self.unit() < self.case_chance:
            args[0] = self.pick([args[0].lower(), args[0].title(), args[0].swapcase()])
        return make(args)

    def spoiled(self, args):
        """A wrong number of arguments, or one that makes no sense. Never a short time to live."""
        choice = self.below(4)
        if choice == 0 and len(args) > 1:
            return args[:-1]
        if choice == 1:
            return args + [self.pick(NOT_INTEGERS)]
        if choice == 2 and len(args) > 1:
            return args[:1]
        if len(args) > 1:
            args[self.between(1, len(args) - 1)] = self.pick(NOT_INTEGERS)
        return args

    def snippet(self):
        """Commands that belong together on one connection; mostly just one."""
        chance = self.unit()
        if chance < 0.97:
            return [self.command()]
        if chance < 0.993:
            return list(self.transaction())
        if chance < 0.9955:
            return list(self.silence())
        if chance < 0.998:
            return [make(self.hello())]
        return self.reset() if self.chance(0.5) else [make([b"QUIT"])]

    def reset(self):
        """It goes back to the version that connections begin with."""
        return [make([b"RESET"])] + ([make([b"HELLO", b"%d" % self.protocol])] if self.protocol else [])

    def transaction(self):
        if self.chance(0.4):
            yield make([b"WATCH", *self.some_keys(3)])
            for _ in range(self.below(4)):
                yield self.command()
        yield make([b"MULTI"])
        for _ in range(self.pick([0, 1, 2, 3, 5, 20])):
            chance = self.unit()
            if chance < 0.92:
                yield self.command()
            elif chance < 0.94:
                yield make([b"RANDOMKEY"])
                yield make([b"KEYS", b"*"])
            elif chance < 0.96:
                yield from mix_hash.belonging_together(self)
            else:
                wrong = [[b"MULTI"], [b"WATCH", self.key()], [b"NOSUCH", b"x"], [b"EXEC", b"x"], [b"UNWATCH"]]
                yield make(self.pick(wrong) if self.chance(0.8) else self.hello())
        chance = self.unit()
        if chance < 0.97:
            yield make([b"EXEC"] if chance < 0.85 else [b"DISCARD"])
        else:
            yield from self.reset()

    def silence(self):
        if self.chance(0.5):
            yield make([b"CLIENT", b"REPLY", b"SKIP"])
            yield self.command()
        else:
            yield make([b"CLIENT", b"REPLY", b"OFF"])
            for _ in range(self.below(5)):
                yield self.command()
            yield make([b"CLIENT", b"REPLY", b"ON"])

    def hello(self):
        """One that leaves the connection at its version, if there is one."""
        while True:
            chosen = self.any_hello()
            if not self.protocol or chosen[1:2] not in ([b"2"], [b"3"]) or chosen[1] == b"%d" % self.protocol:
                return chosen

    def any_hello(self):
        if self.types:
            return self.pick([[b"HELLO"], [b"HELLO", b"2"], [b"HELLO", b"3"]])
        return self.pick(
            [
                [b"HELLO"],
                [b"HELLO", b"2"],
                [b"HELLO", b"3"],
                [b"HELLO", b"3"],
                [b"HELLO", b"3", b"SETNAME", self.pick(NAMES)],
                [b"HELLO", b"2", b"AUTH", b"default", b"x", b"SETNAME", b"both"],
                [b"HELLO", b"3", b"AUTH", b"nobody", b"x"],
                [b"HELLO", b"3", b"AUTH", b"default"],
                [b"HELLO", self.pick([b"1", b"4", b"-1", b"abc", b"", b"9223372036854775807", b"3.0"])],
                [b"HELLO", b"3", b"NOSUCH"],
            ]
        )

    def short_lived(self):
        """Commands that give distinct keys a few milliseconds; the caller waits past them before it goes on."""
        self.pool = self.keys
        for key in dict.fromkeys(self.some_keys(20)):
            after = b"%d" % self.between(1, 30)
            if b"hpexpire" in self.commands and self.unit() < 0.5:
                yield make(mix_hash.short_lived(self, key, after))
                continue
            yield make(
                self.pick(
                    [
                        [b"SET", key, self.value(), b"PX", after],
                        [b"SET", key, self.value(), b"PX", after, b"NX"],
                        [b"PSETEX", key, after, self.value()],
                        [b"PEXPIRE", key, after],
                        [b"GETEX", key, b"PX", after],
                    ]
                )
            )


def make(args):
    return Command(tuple(args), kind_of(args))


# Replies that are not compared byte for byte, by command; a dict: by subcommand. What each kind means: comparing.py.
KINDS = {
    b"TTL": "seconds",
    b"PTTL": "milliseconds",
    b"EXPIRETIME": "seconds",
    b"PEXPIRETIME": "milliseconds",
    b"KEYS": "unordered",
    b"SCAN": "scan",
    b"RANDOMKEY": "random",
    b"DUMP": "dump",
    b"HGETALL": "fields",
    b"HKEYS": "unordered",
    b"HVALS": "unordered",
    b"HSCAN": "fields scan",
    b"HRANDFIELD": "random fields",
    b"HTTL": "seconds each",
    b"HEXPIRETIME": "seconds each",
    b"HPTTL": "milliseconds each",
    b"HPEXPIRETIME": "milliseconds each",
    b"LOLWUT": "shape",
    b"TIME": "shape",
    b"LASTSAVE": "shape",
    b"INFO": "shape",
    b"HELLO": "hello",
    b"EXEC": "exec",
    b"DBSIZE": "size",
    b"QUIT": "quit",
    b"OBJECT": {b"IDLETIME": "idle", b"REFCOUNT": "references", b"ENCODING": "encoding"},
    b"MEMORY": {b"USAGE": "shape"},
    b"CLIENT": {b"ID": "shape", b"LIST": "shape", b"INFO": "shape"},
    b"CONFIG": {b"GET": "pairs"},
    b"COMMAND": {b"COUNT": "shape"},
}


def kind_of(args):
    kind = KINDS.get(args[0].upper())
    if kind == "fields scan" and b"NOVALUES" in args:
        return "scan"
    if kind.__class__ is dict:
        return kind.get(args[1].upper()) if len(args) > 1 else None
    return kind


# --- generators: one for each command -------------------------------------------------------------------------------

# type: of the values it is about, "any", or "none" where it is about no keys.
Generator = namedtuple("Generator", "function weight spoil needs type")
GENERATORS = []


def generates(weight, spoil=True, needs=None, type="string"):
    def register(function):
        GENERATORS.append(Generator(function, weight, spoil, needs, type))
        return function

    return register


def simple(weight, *templates, spoil=True, needs=None, type="string"):
    """Commands that are one line each: words in upper case are sent as they are, others name a Mix method."""
    for template in templates:
        words = template.split()
        parts = [word.encode() if word.upper() == word else word for word in words]

        def generate(mix, parts=parts):
            return [part if part.__class__ is bytes else getattr(mix, part)() for part in parts]

        GENERATORS.append(Generator(generate, weight, spoil, needs, type))


simple(60, "GET key")
simple(10, "SET key value", "STRLEN key", "INCR key", "DECR key", "APPEND key value", "GETSET key value")
simple(10, "INCRBY key integer", "DECRBY key integer", "INCRBYFLOAT key floating", "SETNX key value", "GETDEL key")
simple(10, "GETRANGE key offset offset")
simple(10, "TYPE key", "TTL key", "PTTL key", "EXPIRETIME key", "PEXPIRETIME key", type="any")
simple(5, "PERSIST key", "RENAME key key", "RENAMENX key key", "OBJECT ENCODING key", "OBJECT REFCOUNT key", type="any")
simple(5, "MOVE key database", "SELECT database", "DBSIZE", type="any")
simple(2, "SUBSTR key offset offset", needs=b"substr")
simple(2, "SWAPDB database database", "OBJECT IDLETIME key", "OBJECT FREQ key", "MEMORY USAGE key", type="any")
simple(2, "OBJECT key", type="none")
simple(1, "PING", "PING value", "ECHO value", "TIME", "UNWATCH", "LASTSAVE", "ROLE", "AUTH value", "AUTH key value",
       type="none")  # fmt: skip
# Nobody listens: confirmations come also where CLIENT REPLY says nothing is to, and pushes in between.
simple(2, "PUBLISH key value", "SPUBLISH key value", "PUBSUB NUMSUB key key", "PUBSUB NUMPAT", "PUBSUB CHANNELS pattern",
       type="none")  # fmt: skip
simple(1, "PUBSUB SHARDCHANNELS", "PUBSUB SHARDNUMSUB key", "PUBSUB NOSUCH", "SLOWLOG NOSUCH", "LATENCY HISTORY value",
       type="none")  # fmt: skip
simple(1, "CLIENT TRACKINGINFO", "CLIENT GETREDIR", "CLIENT CACHING value", "CLIENT UNBLOCK value", type="none")
simple(1, "LATENCY RESET value", spoil=False, type="none")
simple(1, "COMMAND COUNT", "CONFIG RESETSTAT", spoil=False, type="none")
simple(1, "EXEC", "DISCARD", "OBJECT", "OBJECT NOSUCH key", "MEMORY NOSUCH", type="none")


@generates(40)
def set_with_options(mix):
    args = [b"SET", mix.key(), mix.value()]
    options = []
    chance = mix.unit()
    if chance < 0.4:
        options.append(mix.time_option())
    elif chance < 0.5:
        options.append([b"KEEPTTL"])
    if mix.unit() < 0.4:
        options.append([mix.pick([b"NX", b"XX"])])
    if mix.unit() < 0.3:
        options.append([b"GET"])
    if mix.unit() < 0.04:
        wrong = [[b"NX"], [b"XX"], [b"KEEPTTL"], [b"GET"], [b"EX"], [b"NOSUCH"], [b"PERSIST"], [b""], mix.time_option()]
        options.append(mix.pick(wrong))
    mix.rng.shuffle(options)
    for option in options:
        args += option
    return args


@generates(6)
def setex(mix):
    name = mix.pick([b"SETEX", b"PSETEX"])
    return [name, mix.key(), mix.time(name == b"PSETEX", False, may_be_past=False), mix.value()]


@generates(10)
def getex(mix):
    args = [b"GETEX", mix.key()]
    chance = mix.unit()
    if chance < 0.6:
        args += mix.time_option()
    elif chance < 0.8:
        args.append(b"PERSIST")
    if mix.unit() < 0.04:
        args += mix.pick([[b"PERSIST"], [b"KEEPTTL"], [b"NX"], [b"EX"], mix.time_option()])
    return args


@generates(25, type="any")
def expire(mix):
    name = mix.pick([b"EXPIRE", b"PEXPIRE", b"EXPIREAT", b"PEXPIREAT"])
    args = [name, mix.key(), mix.time(name[:1] == b"P", name[-2:] == b"AT")]
    if mix.unit() < 0.5:
        args.append(mix.pick([b"NX", b"XX", b"GT", b"LT", b"gt"]))
    for _ in range(mix.pick([1, 2, 3]) if mix.unit() < 0.15 else 0):
        args.append(mix.pick([b"NX", b"XX", b"GT", b"LT", b"NOSUCH"]))
    return args


@generates(10, type="any")
def many_keys(mix):
    return [mix.pick([b"MGET", b"DEL", b"UNLINK", b"EXISTS", b"TOUCH", b"MGET", b"EXISTS"]), *mix.some_keys()]


@generates(10)
def mset(mix):
    args = [mix.pick([b"MSET", b"MSET", b"MSETNX"])]
    for key in mix.some_keys():
        args += [key, mix.value()]
    return args


@generates(2)
def mset_many(mix):
    args = [b"MSET"]
    for _ in range(mix.between(10, 200)):
        args += [mix.key(), b"%d" % mix.below(100000)]
    return args


@generates(2, type="any")
def delete_many(mix):
    return [mix.pick([b"DEL", b"UNLINK"]), *[mix.key() for _ in range(mix.between(10, 200))]]


@generates(6)
def setrange(mix):
    chance = mix.unit()
    if chance < 0.8:
        offset = b"%d" % mix.below(100)
    elif chance < 0.97:
        offset = b"%d" % mix.between(-10, 5000)
    else:
        # Beyond what a string may have, or no number: none of these allocates anything.
        offset = mix.pick([b"536870912", b"9223372036854775807", b"4294967296", *NOT_INTEGERS])
    return [b"SETRANGE", mix.key(), offset, mix.value()[:300]]


@generates(12, needs=b"setbit")
def setbit(mix):
    return [b"SETBIT", mix.key(), mix.bit_offset(), mix.pick([b"0", b"1", b"1", b"2", b"-1", b"x", b""])]


@generates(6, needs=b"getbit")
def getbit(mix):
    return [b"GETBIT", mix.key(), mix.bit_offset()]


@generates(12, needs=b"bitcount")
def bits_in_range(mix):
    """BITCOUNT and BITPOS."""
    args = [b"BITCOUNT", mix.key()]
    if mix.unit() < 0.5:
        args = [b"BITPOS", mix.key(), mix.pick([b"0", b"0", b"1", b"1", b"2", b"-1", b"x", b""])]
    for _ in range(mix.pick([0, 0, 1, 2, 2, 2])):
        args.append(mix.offset())
    if mix.unit() < 0.5:
        args.append(mix.pick([b"BIT", b"BIT", b"BYTE", b"byte", b"bits", b""]))
    return args


@generates(8, needs=b"bitop")
def bitop(mix):
    operation = mix.pick([b"AND", b"OR", b"XOR", b"NOT", b"xor", b"NOR" if mix.unit() < 0.2 else b"or"])
    sources = mix.some_keys(1 if operation == b"NOT" and mix.unit() < 0.8 else 5)
    return [b"BITOP", operation, mix.key(), *sources]


def field(mix):
    kind = b"%c%d" % (mix.pick(b"iu"), mix.between(1, 64))
    if mix.unit() < 0.05:
        kind = mix.pick([b"i0", b"i65", b"u64", b"x8", b"i", b"u", b"", b"I8", b"i-1", b"i08", b"8"])
    offset = mix.bit_offset()
    if mix.unit() < 0.3:
        # Not those that wrap around in redis: there a huge one becomes a small one.
        offset = b"#%d" % mix.below(50) if mix.unit() < 0.95 else mix.pick([b"#", b"#-1", b"##1", b"#99999999999"])
    return [kind, offset]


@generates(14, needs=b"bitfield")
def bitfield(mix):
    args = [b"BITFIELD" if mix.unit() < 0.85 else b"BITFIELD_RO", mix.key()]
    for _ in range(mix.pick([0, 1, 1, 2, 3, 5])):
        chance = mix.unit()
        if chance < 0.3 or args[0] == b"BITFIELD_RO" and chance < 0.95:
            args += [b"GET", *field(mix)]
        elif chance < 0.55:
            # Not the lowest integers, which OVERFLOW SAT in redis turns into the highest number of a signed field.
            operand = mix.integer()
            args += [b"SET", *field(mix), b"-7" if operand.startswith(b"-92233720368547758") else operand]
        elif chance < 0.85:
            args += [b"INCRBY", *field(mix), mix.integer()]
        else:
            wrong = b"NONE" if mix.unit() < 0.1 else b"fail"
            args += [b"OVERFLOW", mix.pick([b"WRAP", b"SAT", b"sat", b"FAIL", b"FAIL", wrong])]
    return args


def element(mix):
    return b"%d" % mix.below(mix.pick([10, 1000, 10**9])) if mix.unit() < 0.8 else mix.value()


@generates(12, needs=b"pfadd")
def hyperloglog(mix):
    chance = mix.unit()
    if chance < 0.55:
        count = mix.pick([0, 1, 1, 2, 5, 30]) if mix.unit() < 0.97 else 1000
        return [b"PFADD", mix.key(), *[element(mix) for _ in range(count)]]
    if chance < 0.8:
        return [b"PFCOUNT", *mix.some_keys(mix.pick([1, 1, 3]))]
    if chance < 0.9:
        return [b"PFMERGE", *mix.some_keys(4)]
    if chance < 0.95:
        action = mix.pick([b"ENCODING", b"DECODE", b"TODENSE", b"GETREG", b"nosuch"])
        return [b"PFDEBUG", action, mix.key()]
    # Nearly a sketch. What is wrong with its registers is left to the unit tests.
    head = mix.pick([b"HYLL", b"HYLX", b"hyll", b"HYL"])
    encoding = mix.pick([b"\0", b"\1", b"\2"])
    sketch = head + encoding + b"\0" * mix.pick([0, 3, 10]) + mix.pick([b"\0", b"\x80"])
    # Not sparse ones that lack their last registers: there PFADD fails half-way, and redis keeps the first half.
    return [b"SET", mix.key(), sketch + mix.pick([b"", b"\x7f\xff", b"" if encoding == b"\1" else b"\0" * 12288])]


def payload(mix):
    """What DUMP gives for a value, but for its being harmed now and then."""
    value = mix.value()[:60]
    size = len(value)
    forms = [b"%c" % size, b"\x40%c" % size, b"\x80" + size.to_bytes(4, "big"), b"\x81" + size.to_bytes(8, "big")]
    string = mix.pick(forms) + value
    if mix.unit() < 0.2:
        bytes_of_integer = mix.pick([1, 2, 4])
        string = b"%c" % (0xC0 + bytes_of_integer // 2) + mix.rng.randbytes(bytes_of_integer)
    payload = b"\0" + string + mix.pick([b"\x0a\0", b"\x09\0", b"\x01\0", b"\xff\xff"])
    payload += crc64(payload).to_bytes(8, "little")
    return payload if mix.unit() < 0.9 else payload[: mix.below(len(payload))]


def crc64(data):
    crc = 0
    for byte in data:
        crc = crc >> 8 ^ CRC64_TABLE[(crc ^ byte) & 0xFF]
    return crc


def crc64_table():
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (0x95AC9329AC4BC9B5 if crc & 1 else 0)
        yield crc


CRC64_TABLE = list(crc64_table())


@generates(8, needs=b"restore")
def dump_and_restore(mix):
    if mix.unit() < 0.4:
        return [b"DUMP", mix.key()]
    absolute = mix.unit() < 0.4
    time = b"0" if mix.unit() < 0.4 else mix.time(True, absolute, may_be_past=absolute)
    # The highest ones wrap around in redis.
    args = [b"RESTORE", mix.key(), b"5000000" if time.startswith(b"92233720368547758") else time, payload(mix)]
    options = [[b"REPLACE"]] * (mix.unit() < 0.7) + [[b"ABSTTL"]] * absolute
    if mix.unit() < 0.1:
        options.append([b"IDLETIME", mix.integer()])
    if mix.unit() < 0.1:
        options.append([b"FREQ", mix.integer()])
    if mix.unit() < 0.03:
        options.append([mix.pick([b"NOSUCH", b"FREQ", b"IDLETIME", b""])])
    mix.rng.shuffle(options)
    return args + [word for option in options for word in option]


@generates(3, needs=b"sort", type="any")
def sort(mix):
    args = [mix.pick([b"SORT", b"SORT", b"SORT_RO"]), mix.key()]
    for _ in range(mix.pick([0, 1, 2, 3])):
        options = [[b"ASC"], [b"desc"], [b"ALPHA"], [b"LIMIT", mix.offset(), mix.offset()], [b"BY", mix.pattern()]]
        options += [[b"GET", mix.pattern()], [b"STORE", mix.key()], [b"STORE", mix.key()]]
        args += mix.pick(options) if mix.unit() < 0.95 else mix.pick([[b"NOSUCH"], [b"BY"], [b"LIMIT", b"1"], [b""]])
    return args


@generates(0.3, needs=b"lolwut", type="none")
def lolwut(mix):
    return [b"LOLWUT"] + mix.pick([[], [b"VERSION", mix.integer()], [b"VERSION", b"5", mix.pick(NOT_INTEGERS)]])


@generates(5, type="any")
def copy(mix):
    args = [b"COPY", mix.key(), mix.key()]
    if mix.unit() < 0.5:
        args += [b"DB", mix.database()]
    if mix.unit() < 0.5:
        args.append(b"REPLACE")
    if mix.unit() < 0.05:
        args += mix.pick([[b"DB"], [b"REPLACE"], [b"NOSUCH"], [b"DB", b"1", b"DB", b"2"]])
    return args


@generates(0.5, type="any")
def keys(mix):
    return [b"KEYS", mix.pattern()]


@generates(0.5, spoil=False, type="any")
def scan_all(mix):
    args = [b"SCAN", b"0"]
    options = [[b"COUNT", b"1000000"]]
    if mix.unit() < 0.5:
        options.append([b"MATCH", mix.pattern()])
    if mix.unit() < 0.5:
        options.append([b"TYPE", mix.pick([b"string", b"STRING", b"hash", b"Hash", b"list", b"nosuch", b""])])
    mix.rng.shuffle(options)
    for option in options:
        args += option
    return args


@generates(0.5, spoil=False, type="none")
def scan_wrong(mix):
    return mix.pick(
        [
            [b"SCAN", mix.pick([b"abc", b"1.5", b" 1", b"1 ", b"0x10", b"18446744073709551616", b"1" * 30, b"*"])],
            [b"SCAN", mix.pick([b"", b"-0", b"+0", b"000"]), b"COUNT", b"1000000"],
            [b"SCAN", b"0", b"COUNT", mix.pick([b"0", b"-1", *NOT_INTEGERS])],
            [b"SCAN", b"0", b"NOSUCH", b"1"],
            [b"SCAN", b"0", b"COUNT"],
            [b"SCAN"],
        ]
    )


@generates(0.4, type="any")
def object_wrong(mix):
    return [b"OBJECT", mix.pick([b"ENCODING", b"FREQ", b"IDLETIME", b"REFCOUNT"]), *mix.some_keys(2)]


@generates(0.4, needs=b"lcs")
def lcs(mix):
    args = [b"LCS", mix.key(), mix.key()]
    for option in ([b"LEN"], [b"IDX"], [b"MINMATCHLEN", mix.integer()], [b"WITHMATCHLEN"]):
        if mix.unit() < 0.3:
            args += option
    return args


@generates(0.05, type="any")
def flush(mix):
    args = [mix.pick([b"FLUSHDB", b"FLUSHDB", b"FLUSHALL"])]
    if mix.unit() < 0.5:
        args.append(mix.pick([b"ASYNC", b"SYNC", b"async", b"NOSUCH"]))
    return args


@generates(3, spoil=False, type="none")
def client(mix):
    return [b"CLIENT"] + mix.pick(
        [
            [b"ID"],
            [b"GETNAME"],
            [b"SETNAME", mix.pick(NAMES)],
            [b"SETNAME", mix.pick(NAMES)],
            [b"SETNAME"],
            [b"INFO"],
            [b"LIST"],
            [b"LIST", b"TYPE", mix.pick([b"normal", b"pubsub", b"nosuch"])],
            [b"LIST", b"ID", mix.pick([b"0", b"abc", b"99999999"])],
            [b"LIST", b"NOSUCH"],
            [b"NO-EVICT", mix.pick([b"ON", b"OFF", b"off", b"maybe"])],
            [b"KILL", b"10.0.0.1:1"],
            [b"KILL", b"ID", mix.pick([b"99999999", b"abc", b"-1", b"0"])],
            [b"KILL", b"TYPE", b"nosuch"],
            [b"KILL", b"ADDR", b"10.0.0.1:1", b"SKIPME", mix.pick([b"yes", b"no", b"maybe"])],
            [b"KILL", b"USER", b"nobody"],
            [b"KILL", b"NOSUCH", b"1"],
            [b"KILL"],
            [b"REPLY"],
            [b"REPLY", b"MAYBE"],
            [b"NOSUCH"],
            [b"NOSUCH", b"a", b"b"],
            [b""],
        ]
    )


@generates(2, spoil=False, type="none")
def server(mix):
    return mix.pick(
        [
            [b"INFO", mix.pick([b"server", b"clients", b"memory", b"persistence", b"stats", b"keyspace", b"all"])],
            [b"CONFIG", b"GET", mix.pick([b"maxmemory", b"databases", b"nosuch*", b"maxmemory-policy", b"DataBases"])],
            [b"CONFIG", b"GET", b"databases", b"proto-max-bulk-len", b"maxmemory-s?mples"],
            [b"CONFIG", b"GET"],
            [b"CONFIG", b"SET", b"nosuch-directive", b"1"],
            [b"CONFIG", b"SET", b"maxmemory-samples"],
            [b"CONFIG", b"SET", b"maxmemory-samples", b"abc"],
            [b"CONFIG", b"SET", b"maxmemory-samples", b"7", b"maxmemory-samples", b"8"],
            [b"CONFIG", b"SET", b"maxmemory-samples", b"5"],
            [b"CONFIG", b"NOSUCH"],
            [b"CONFIG"],
            [b"SHUTDOWN", b"NOSUCH"],
            [b"SHUTDOWN", b"SAVE", b"NOSAVE"],
            [b"SHUTDOWN", b"ABORT"],
            [b"WAIT", mix.pick([b"0", b"-1", b"abc"]), mix.pick([b"1", b"-1", b"abc", b"1.5"])],
            [b"WAIT", b"0", b"0"],
            [b"DEBUG", b"SLEEP", mix.pick([b"0", b"0.001"])],
            [b"MEMORY", b"USAGE", mix.key(), b"SAMPLES", mix.pick([b"0", b"5", b"-1", b"abc"])],
            [b"MEMORY", b"USAGE", mix.key(), b"NOSUCH"],
        ]
    )


@generates(2, spoil=False, type="none")
def unknown(mix):
    return mix.pick(
        [
            [b"NOSUCH"],
            [b"NOSUCH", mix.value(), mix.value()],
            [b"NOSUCH" * 40, mix.value()],
            [b"", b"x"],
            [b"no\r\nsuch", b"a\r\nb"],
            [b"NOSUCH", *[mix.pick(ODD_KEYS) for _ in range(30)]],
            [b"SET|GET", b"x"],
            [b"config|get", b"x"],
            [b"\xff\xfe"],
        ]
    )


# Always with an argument: without one, 7.0 and 7.2 refuse at different moments.
@generates(2, spoil=False, type="none")
def command_getkeys(mix):
    return [b"COMMAND", b"GETKEYS"] + mix.pick(
        [
            [b"MSET", b"a", b"1", b"b", b"2"],
            [b"MSET", b"a", b"1", b"b"],
            [b"GET", mix.key()],
            [b"get", b"a", b"b"],
            [b"SET", b"a", b"b", b"EX", b"5"],
            [b"DEL", *mix.some_keys()],
            [b"COPY", b"a", b"b"],
            [b"RENAME", b"a", b"b"],
            [b"OBJECT", b"ENCODING", b"a"],
            [b"OBJECT", b"NOSUCH", b"a"],
            [b"MEMORY", b"USAGE", b"a"],
            [b"PING", b"x"],
            [b"KEYS", b"*"],
            [b"CONFIG", b"GET", b"a"],
            [b"NOSUCH", b"a"],
            [b"WATCH", b"a", b"b"],
            [b"EXISTS", b""],
        ]
    )


# Registers the generators for hashes, and uses what is above.
from harness import mix_hash  # noqa: E402
