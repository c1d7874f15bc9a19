"""Arguments that make no sense, for every command that a server has.

What a command takes is what COMMAND DOCS says, so that a new command is covered by being there. A call is drawn as it
should be, and then harmed: words left out, doubled, swapped, in excess, or replaced by one of NONSENSE. Many calls stay
right by chance: those must do the same on both servers, too.
"""

from harness.mix import Chooser
from harness.resp import as_bytes, pairs

# Every key there is at the beginning of a call, and whatever else a key's name may be.
STATE = [
    ("SET", "text", "hello world"),
    ("SET", "number", "10"),
    ("SET", "fraction", "1.5"),
    ("SET", "highest", "9223372036854775807"),
    ("SET", "nothing", ""),
    ("SET", "long", "x" * 100),
    ("SET", "mortal", "v", "EX", 100000000),
    ("SET", "", "at the empty key"),
    ("SET", b"\x00\xff\r\n", b"\xff\x00\r\n"),
    ("SETRANGE", "bits", 2, b"\x0f\xf0"),
    ("PFADD", "sketch", "a", "b", "c"),
]
# For a server that has hashes; with times, for one whose fields have some.
HASHES = [
    ("HSET", "hash", "text", "hello world", "number", "10", "", "nothing", "highest", "9223372036854775807"),
    ("HSET", "table", "text", "x" * 100, "number", "1.5", b"\x00\xff\r\n", b"\xff\x00\r\n"),
    ("HSET", "one field", "value", "1"),
]
TIMES_OF_FIELDS = [("HEXPIREAT", "hash", 10**10, "FIELDS", 1, "text"), ("HEXPIREAT", "table", 10**10, "FIELDS", 1, "number")]
KEYS = [as_bytes(command[1]) for command in STATE + HASHES] + [b"missing", b"other", b"*"]


def state(names):
    """Commands that make it, for a server that knows commands of these names."""
    return STATE + (HASHES if b"hset" in names else []) + (TIMES_OF_FIELDS if b"hexpireat" in names else [])



# No number from 1 to 99999: as a time to live it would pass while the test runs. None that an offset may be, and that
# would take a lot of memory.
NONSENSE = [
    b"", b" ", b"0", b"-0", b"-1", b"-2", b"+1", b"01", b" 1", b"1 ", b"1.5", b"-1.5", b"1e3", b"1e400", b"1e5000", b"0x10",
    b"nan", b"-nan", b"inf", b"-inf", b"infinity", b"100000000000", b"4294967296", b"-2147483649", b"9223372036854775806",
    b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808", b"-9223372036854775809",
    b"18446744073709551615", b"18446744073709551616", b"9" * 40, b"-" + b"9" * 40, b"abc", b"\x00", b"1\x00", b"a\x00b",
    b"\xff\xfe", b"a\r\nb", b"\n", b"'", b'"', b"a b", "ü１".encode(), b"*", b"[", b"\\", b"%s%n", b"x" * 70, b"x" * 5000,
    b"NX", b"get", b"-", b"(", b"$5\r\n", b"yes", b"ON", b"default",
]  # fmt: skip
TIMES = ("seconds", "milliseconds", "ttl", "timestamp")


class Calls(Chooser):
    """Calls of one command: right ones, and harmed ones."""

    def __init__(self, rng, name, arguments):
        super().__init__(rng)
        self.name = name
        self.arguments = arguments
        self.tokens = list(tokens_of(arguments))

    def all(self, count):
        """What is tried for each command, in order, then by chance."""
        for words in range(0, 9):
            yield [*self.name, *[self.pick([b"x", b"1000000", b"text"]) for _ in range(words)]]
        for _ in range(count):
            call = self.right()
            for _ in range(self.pick([0, 1, 1, 1, 2, 3])):
                self.harm(call)
            if self.unit() < 0.02:
                call += [self.pick(NONSENSE) for _ in range(1100)]
            yield call

    def right(self):
        return [*self.name, *[word for argument in self.arguments for word in self.words(argument)]]

    def words(self, argument):
        flags = argument.get(b"flags", [])
        if b"optional" in flags and self.unit() < 0.5:
            return []
        made = []
        for i in range(self.between(1, 3) if b"multiple" in flags else 1):
            if b"token" in argument and (i == 0 or b"multiple_token" in flags):
                made.append(argument[b"token"] or b'""')
            made += self.word(argument)
        return made

    def word(self, argument):
        kind = argument[b"type"]
        if kind == b"oneof":
            return self.words({**self.pick(argument[b"arguments"]), b"flags": []})
        if kind == b"block":
            return [word for inner in argument[b"arguments"] for word in self.words(inner)]
        if kind == b"pure-token":
            return []
        if kind == b"key":
            return [self.pick(KEYS)]
        if kind == b"unix-time" or any(word in argument[b"name"].decode() for word in TIMES):
            return [b"%d" % self.between(100000, 10**13)]
        if kind == b"integer":
            return [b"%d" % self.pick([0, 1, 2, 3, 7, 100, -1, -3])]
        if kind == b"double":
            return [self.pick([b"1", b"0.5", b"-2.25", b"1e2"])]
        return [self.pick([b"value", b"text", b"number", b"*", b"10", b"u8"])]

    def harm(self, call):
        """Never the command's name."""
        first = len(self.name)
        way = self.below(8)
        at = self.between(first, len(call) - 1) if len(call) > first else None
        if way <= 2 and at is not None:
            call[at] = self.pick(NONSENSE)
        elif way == 3 and at is not None:
            del call[at:]
        elif way == 4 and at is not None:
            call.insert(at, call[at])
        elif way == 5 and at is not None:
            other = self.between(first, len(call) - 1)
            call[at], call[other] = call[other], call[at]
        elif way == 6 and self.tokens:
            call.insert(self.between(first, len(call)), self.pick(self.tokens))
        else:
            call.insert(self.between(first, len(call)), self.pick(NONSENSE))


def tokens_of(arguments):
    for argument in arguments:
        if b"token" in argument:
            yield argument[b"token"]
        yield from tokens_of(argument.get(b"arguments", []))


def plain(arguments):
    """COMMAND DOCS' arguments as dicts, whichever protocol they came by."""
    return [
        {**facts, **({b"arguments": plain(facts[b"arguments"])} if b"arguments" in facts else {})}
        for facts in map(pairs, arguments)
    ]


def commands_of(connection):
    """(the words of its name, its arguments) of every command and subcommand there is, sorted."""
    found = {}

    def add(documented):
        for name, facts in pairs(documented).items():
            facts = pairs(facts)
            found[tuple(name.split(b"|"))] = plain(facts.get(b"arguments", []))
            add(facts.get(b"subcommands", []))

    add(connection.call("COMMAND", "DOCS"))
    return sorted(found.items())
