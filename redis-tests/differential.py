#!/usr/bin/python3
"""Sends the same long random command sequences to dkv and to redis-server and compares every reply.

    redis-tests/differential.py --commands 1000000
    redis-tests/differential.py --seed 7 --commands 20000 --server build/dkv-server --restart-every 5000

The sequence is cut into episodes. Each begins with empty databases and new connections, and has its own keys, values
and likely commands (harness/mix.py). Commands go out in pipelines over up to three connections, one connection at a
time, so that their order is known. Every few thousand commands the whole state of all databases is compared too.

On a difference: the command, both replies, the last commands on its keys, and a short sequence that shows it again.
"""

import argparse
import collections
import itertools
import os
import random
import select
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import comparing, mix, mix_hash, resp, servers_pair  # noqa: E402

ANSWER_SECONDS = 60
# In a history: a wait that is longer than the short times to live before it.
PAUSE = mix.Command((b"(wait)",), "pause")
PAUSE_SECONDS = 0.06
MINIMISE_SECONDS = 60


class Difference(Exception):
    """Replies, or states, that should be the same and are not."""

    def __init__(self, text, command=None):
        super().__init__(text)
        self.command = command


class Confusion(Difference):
    """Not as many replies as commands should have: a server's fault, or that of commands taken out of their context."""


class Link:
    """A socket to one server that never blocks on sending, so that a full pipe cannot stop both sides."""

    def __init__(self, server, answer_seconds=ANSWER_SECONDS):
        self.name = server.flavor
        self.answer_seconds = answer_seconds
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(server.socket)
        self.socket.setblocking(False)
        self.received = bytearray()
        self.unsent = b""
        self.poll = select.poll()

    def close(self):
        self.socket.close()

    def start(self, data):
        """Begins to send; finish() does the rest."""
        self.unsent = data
        self._send_some()

    def finish(self, count):
        """The bytes of the next count replies, and where each of them ends."""
        ends = []
        while True:
            find_ends(self.received, ends, count)
            if len(ends) == count and not self.unsent:
                break
            self._wait(count - len(ends))
        size = ends[-1] if ends else 0
        raw = bytes(memoryview(self.received)[:size])
        del self.received[:size]
        return raw, ends

    def exchange(self, commands):
        """Sends commands that all have a reply; the replies' values."""
        self.start(b"".join([resp.encode(*command) for command in commands]))
        return resp.parse_all(self.finish(len(commands))[0])

    def is_closed(self):
        """Whether the server closes the connection now."""
        self.poll.register(self.socket, select.POLLIN)
        self.poll.poll(self.answer_seconds * 1000)
        try:
            return self.socket.recv(1) == b""
        except (BlockingIOError, ConnectionResetError) as error:
            return isinstance(error, ConnectionResetError)

    def _send_some(self):
        try:
            sent = self.socket.send(self.unsent)
        except BlockingIOError:
            return
        self.unsent = self.unsent[sent:]

    def _wait(self, missing):
        self.poll.register(self.socket, select.POLLIN | (select.POLLOUT if self.unsent else 0))
        events = self.poll.poll(self.answer_seconds * 1000)
        if not events:
            raise Confusion(f"{self.name} does not answer: {missing} replies are missing")
        if events[0][1] & select.POLLOUT:
            self._send_some()
        if events[0][1] & ~select.POLLOUT:
            try:
                received = self.socket.recv(1 << 20)
            except BlockingIOError:
                return
            except ConnectionResetError:
                received = b""
            if not received:
                raise Confusion(f"{self.name} closed the connection: {missing} replies are missing")
            self.received += received


def find_ends(data, ends, count):
    """Appends to ends where replies end, until there are count of them or the data does."""
    position = ends[-1] if ends else 0
    size = len(data)
    find = data.find
    append = ends.append
    while len(ends) < count:
        line_end = find(b"\r\n", position)
        if line_end < 0:
            return
        kind = data[position]
        if kind == 36:  # $
            length = int(data[position + 1 : line_end])
            end = line_end + 2 + (length + 2 if length >= 0 else 0)
            if end > size:
                return
        elif kind == 58 or kind == 43 or kind == 45:  # : + -
            end = line_end + 2
        else:
            end = resp.reply_end(data, position)
            if end < 0:
                return
        append(end)
        position = end


def split(data, ends):
    """The replies that end there."""
    return [data[start:end] for start, end in itertools.pairwise([0, *ends])]


class Silence:
    """Which commands of a connection have replies, by the CLIENT REPLY among them."""

    def __init__(self):
        self.answers = True
        self.skips = False

    def expects_reply(self, command):
        args = command.args
        if args[0] == b"CLIENT" and args[1:2] == (b"REPLY",):
            if args[2:] == (b"OFF",):
                self.answers = False
                return False
            if args[2:] == (b"ON",):
                self.answers, self.skips = True, False
                return True
            if args[2:] == (b"SKIP",) and self.answers:
                self.skips = True
                return False
        if self.skips:
            self.skips = False
            return False
        return self.answers


class Lane:
    """One client: a connection to each server, what it will send next, and what its transaction has queued."""

    def __init__(self, pair, answer_seconds=ANSWER_SECONDS):
        self.pair = pair
        self.answer_seconds = answer_seconds
        self.pending = collections.deque()
        self.connect()

    def connect(self):
        self.ours = Link(self.pair.ours, self.answer_seconds)
        self.theirs = Link(self.pair.theirs, self.answer_seconds)
        if self.pair.protocol:
            for link in (self.ours, self.theirs):
                link.exchange([[b"HELLO", b"%d" % self.pair.protocol]])
        self.queue = None  # commands that were answered +QUEUED; None outside of MULTI
        self.silence = Silence()

    def close(self):
        self.ours.close()
        self.theirs.close()

    def start(self, commands, encoded):
        """Sends a batch to both servers. A QUIT is its last command, if there is one."""
        answered = [self.silence.expects_reply(command) for command in commands]
        self.expecting = list(itertools.compress(commands, answered))
        self.ends_answered = answered[-1:] != [False]
        data = b"".join(encoded)
        self.ours.start(data)
        self.theirs.start(data)

    def finish(self, rules):
        """Reads and compares the batch's replies."""
        expecting = self.expecting
        ours, our_ends = self.ours.finish(len(expecting))
        theirs, their_ends = self.theirs.finish(len(expecting))
        if self.ours.received or self.theirs.received:
            raise Confusion(f"more replies than commands: {self.ours.received[:200]} {self.theirs.received[:200]}")
        if ours != theirs:
            self._compare(ours, our_ends, theirs, their_ends, rules)
        elif self.queue is not None or any(command.args[0].upper() == b"MULTI" for command in expecting):
            self._follow(ours, our_ends)
        if expecting and expecting[-1].kind == "quit":
            for link in (self.ours, self.theirs):
                if not link.is_closed():
                    raise Difference(f"{link.name} did not close the connection after QUIT", expecting[-1])
                link.close()
            self.connect()

    def _follow(self, raw, ends):
        start = 0
        for command, end in zip(self.expecting, ends):
            self._track(command, raw[start:end])
            start = end

    def _compare(self, ours, our_ends, theirs, their_ends, rules):
        our_start = their_start = 0
        for command, our_end, their_end in zip(self.expecting, our_ends, their_ends):
            a, b = ours[our_start:our_end], theirs[their_start:their_end]
            if a != b and not comparing.same(command, a, b, self.queue or [], rules):
                raise Difference(describe_replies(command, a, b, self.queue), command)
            self._track(command, a)
            our_start, their_start = our_end, their_end

    def _track(self, command, raw):
        """Follows MULTI ... EXEC by what the server answers."""
        name = command.args[0].upper()
        if self.queue is None:
            if name == b"MULTI" and raw == b"+OK\r\n":
                self.queue = []
        elif raw == b"+QUEUED\r\n":
            self.queue.append(command)
        elif name == b"EXEC" or (name in (b"DISCARD", b"RESET") and len(command.args) == 1):
            self.queue = None  # an EXEC ends it even when it has too many arguments


def describe_replies(command, ours, theirs, queue):
    text = f"command: {show(command)}\n     we: {shorten(ours)}\n  redis: {shorten(theirs)}"
    if command.kind == "exec" and queue:
        a, b = comparing.children(ours), comparing.children(theirs)
        if a is not None and b is not None:
            for i, queued in enumerate(queue):
                if i < len(a) and i < len(b) and a[i] != b[i]:
                    text += f"\n  queued {i}: {show(queued)}\n     we: {shorten(a[i])}\n  redis: {shorten(b[i])}"
    return text


def show(command):
    shown = [shorten(argument, 60) for argument in command.args[:12]]
    return " ".join(shown) + (f" ... ({len(command.args)} arguments)" if len(command.args) > 12 else "")


def shorten(data, most=300):
    text = repr(data)[1:]
    return text if len(text) <= most else f"{text[: most // 2]}...{text[-most // 4 :]} ({len(data)} bytes)"


# --- whole states ---------------------------------------------------------------------------------------------------


def times_of(keys, names):
    """HPEXPIRETIME for both; names: for each key the fields to ask ours for, and theirs."""
    return [
        [[b"HPEXPIRETIME", key, b"FIELDS", b"%d" % len(both[side]), *both[side]] for key, both in zip(keys, names)]
        for side in (0, 1)
    ]


class StateReader:
    """Reads all databases of both servers over connections of its own."""

    def __init__(self, pair, rng):
        self.pair = pair
        self.rng = rng
        self.has_field_times = b"hpexpiretime" in commands_of(pair)
        self.connect()

    def connect(self):
        self.links = [Link(self.pair.ours), Link(self.pair.theirs)]

    def close(self):
        for link in self.links:
            link.close()

    def compare(self, rules):
        """Raises Difference; returns how many keys there are."""
        total = 0
        for database in range(mix.DATABASES):
            ours, theirs = [self._keys(link, database) for link in self.links]
            if ours != theirs:
                missing, extra = sorted(theirs - ours)[:5], sorted(ours - theirs)[:5]
                raise Difference(f"database {database}: keys that only redis has {missing}, that only we have {extra}")
            self._compare_sizes(database, len(ours))
            self._compare_values(database, sorted(ours), rules)
            total += len(ours)
        return total

    def _keys(self, link, database):
        link.exchange([[b"SELECT", b"%d" % database]])
        keys = set()
        cursor = b"0"
        count = b"%d" % self.rng.choice([10, 100, 1000, 5000])
        while True:
            cursor, found = link.exchange([[b"SCAN", cursor, b"COUNT", count]])[0]
            keys.update(found)
            if cursor == b"0":
                return keys

    def await_lengths(self, short_lived):
        """Until what has expired of the hashes of these commands is deleted: redis-server counts it until then."""
        if not self.has_field_times:
            return
        lengths = [[b"HLEN", command.args[1]] for command in short_lived if len(command.args) > 1]
        commands = [word for i in range(mix.DATABASES) for word in [[b"SELECT", b"%d" % i], *lengths]]
        deadline = time.monotonic() + 20
        while (lengths := [link.exchange(commands) for link in self.links]) and lengths[0] != lengths[1]:
            if time.monotonic() > deadline:
                at = next(i for i, (a, b) in enumerate(zip(*lengths)) if a != b)
                raise Difference(f"{commands[at]} stays {lengths[0][at]} and {lengths[1][at]}")
            time.sleep(0.02)

    def _compare_sizes(self, database, count):
        """DBSIZE is the number of keys; what has expired may be counted for a moment."""
        for link in self.links:
            deadline = time.monotonic() + 10
            while (size := link.exchange([[b"DBSIZE"]])[0]) != count:
                if time.monotonic() > deadline or size < count:
                    raise Difference(f"database {database}: {link.name} says DBSIZE {size}, SCAN finds {count} keys")
                time.sleep(0.02)

    def _compare_values(self, database, keys, rules):
        for first in range(0, len(keys), 500):
            some = keys[first : first + 500]
            about = [[b"TYPE", key] for key in some] + [[b"OBJECT", b"ENCODING", key] for key in some]
            replies = self._compare_replies(database, about + [[b"PEXPIRETIME", key] for key in some], rules)
            kinds = [resp.parse(ours) for ours, _ in replies[: len(some)]]
            encodings = [[resp.parse(reply) for reply in both] for both in replies[len(some) : 2 * len(some)]]
            commands = [[b"HGETALL" if kind == b"hash" else b"GET", key] for kind, key in zip(kinds, some)]
            values = self._compare_replies(database, commands, rules)
            hashes = [i for i, kind in enumerate(kinds) if kind == b"hash"]
            for i in hashes:
                if not comparing.is_unordered(*encodings[i]) and values[i][0] != values[i][1]:
                    raise self._differs(database, mix.make(commands[i]), *values[i])
            if self.has_field_times:
                names = [[sorted(resp.parse(reply)[::2]) for reply in values[i]] for i in hashes]
                self._compare_each(database, *times_of([some[i] for i in hashes], names), rules)
                # And each of them in the order of its own: listpacks keep those that go first in front.
                packed = [i for i in hashes if set(encodings[i]) <= comparing.PACKED]
                names = [[resp.parse(reply)[::2] for reply in values[i]] for i in packed]
                self._compare_each(database, *times_of([some[i] for i in packed], names), rules)

    def _compare_replies(self, database, commands, rules):
        """What both reply, as bytes."""
        return self._compare_each(database, commands, commands, rules)

    def _compare_each(self, database, commands, their_commands, rules):
        """The same where what is sent to them is not."""
        if not commands:
            return []
        for link, sent in zip(self.links, (commands, their_commands)):
            link.start(b"".join([resp.encode(*command) for command in sent]))
        ours, theirs = [split(*link.finish(len(commands))) for link in self.links]
        for args, a, b in zip(commands, ours, theirs):
            if a != b and not comparing.same(mix.make(args), a, b, [], rules):
                raise self._differs(database, mix.make(args), a, b)
        return list(zip(ours, theirs))

    def _differs(self, database, command, a, b):
        return Difference(f"state of database {database} differs\n{describe_replies(command, a, b, None)}", command)


def commands_of(pair):
    """Names that both servers know."""
    known = []
    for server in (pair.ours, pair.theirs):
        link = Link(server)
        known.append({name.split(b"|")[0].lower() for name in link.exchange([[b"COMMAND", b"LIST"]])[0]})
        link.close()
    return known[0] & known[1]


# --- a run ----------------------------------------------------------------------------------------------------------


class Run:
    """Everything that one seed says."""

    def __init__(self, pair, seed, options, say=print):
        self.pair = pair
        self.pair.protocol = options.protocol
        self.options = options
        self.say = say
        self.rng = random.Random(seed)
        self.known = commands_of(pair)
        self.rules = comparing.Rules()
        self.rules.newer = bool(options.types)
        self.sent = 0
        self.keys_compared = 0
        self.restarts = 0
        self.since_check = 0
        self.since_restart = 0
        self.history = []

    def run(self):
        while self.sent < self.options.commands:
            self.episode()

    def episode(self):
        self.mix = mix.Mix(
            self.rng, int(time.time() * 1000), self.known, self.options.protocol, self.options.near, self.options.types
        )
        self.directives = mix_hash.directives(self.mix)
        self.rules.sizes = not (self.mix.past_times or self.mix.short_times)
        self.rules.encodings = True
        self.history = []
        self.state = StateReader(self.pair, self.rng)
        for link in self.state.links:
            link.exchange([[b"FLUSHALL"], [b"CONFIG", b"SET", *self.directives]])
        self.lanes = [Lane(self.pair) for _ in range(self.mix.lanes)]
        end = min(self.options.commands, self.sent + self.rng.choice([1000, 5000, 20000, 50000]))
        try:
            self._send_until(end)
            self.check()
        finally:
            for lane in self.lanes:
                lane.close()
            self.state.close()

    def _send_until(self, end):
        """Makes the next batch while the servers work on this one."""
        batch = self._make_batch()
        while self.sent < end:
            lane, commands, encoded = batch
            lane.start(commands, encoded)
            self.history += [(lane, command) for command in commands]
            self.sent += len(commands)
            self.since_check += len(commands)
            self.since_restart += len(commands)
            batch = self._make_batch()
            lane.finish(self.rules)
            if self.options.restart_every and self.since_restart >= self.options.restart_every:
                self.restart()
                batch = self._make_batch()
            elif self.options.restart_every and self.rng.random() < 0.03:
                self.state.links[0].exchange([[b"BGREWRITEAOF"]])
            if self.since_check >= self.options.check_every:
                self.check()
            if self.mix.short_times and self.rng.random() < 0.02:
                self.let_expire()

    def _make_batch(self):
        lane = self.rng.choice(self.lanes)
        pending = lane.pending
        size = self.rng.choice([1, 2, 10, 50, 100, 100, 200, 300])
        commands = []
        silence = Silence()
        answered = True
        # A batch ends with a reply: whoever sends next would not know else that all of it has been done.
        while len(commands) < size or not answered:
            while not pending:
                pending.extend(self.mix.snippet())
            commands.append(pending.popleft())
            answered = silence.expects_reply(commands[-1])
            if commands[-1].kind == "quit":
                break
        return lane, commands, self._encode(commands)

    def _encode(self, commands):
        """Mostly in canonical form; now and then as lines, with nothings in between."""
        if self.rng.random() < 0.95:
            return [
                b"*%d\r\n%b" % (len(args), b"".join([b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in args]))
                for args, _ in commands
            ]
        encoded = []
        for args, _ in commands:
            if self.rng.random() < 0.5 and args[0] and sum(map(len, args)) < 2000:
                encoded.append(resp.encode_inline(args))
            else:
                encoded.append(resp.encode(*args))
            # Not behind CLIENT REPLY SKIP, which redis takes to skip the nothing.
            if self.rng.random() < 0.1 and args[0] != b"CLIENT":
                encoded.append(self.rng.choice([b"\r\n", b"\n", b"*0\r\n", b"*-1\r\n"]))
        return encoded

    def let_expire(self):
        """Short times to live, and a wait until they are over: nobody looks in between."""
        lane = self.rng.choice([lane for lane in self.lanes if not lane.pending and lane.queue is None] or [None])
        if lane is None:
            return
        commands = list(self.mix.short_lived())
        lane.start(commands, self._encode(commands))
        self.history += [(lane, command) for command in [*commands, PAUSE]]
        lane.finish(self.rules)
        time.sleep(PAUSE_SECONDS)
        self.state.await_lengths(commands)

    def check(self):
        self.keys_compared += self.state.compare(self.rules)
        self.since_check = 0

    def restart(self):
        """SIGKILL to dkv alone: what was acknowledged has to be what redis has."""
        self.since_restart = 0
        self.restarts += 1
        self.rules.encodings = False
        # With the settings of the episode, under which the log was written: a table that recovery made of a listpack
        # would become one again in a rewrite, in another order.
        names, values = self.directives[::2], self.directives[1::2]
        self.pair.ours.restart(kill=True, **{name.decode(): value.decode() for name, value in zip(names, values)})
        self.state.close()
        self.state.connect()
        for lane in self.lanes:
            lane.close()
            lane.pending.clear()
            lane.connect()
        self.check()


# --- explaining a difference ----------------------------------------------------------------------------------------


def last_commands(history, command, most=12):
    """The last commands up to this one that name one of the same keys (or the same anything)."""
    # Later commands of its batch were sent, too. A command that only read the state is not in the history.
    places = [i for i, (_, other) in enumerate(history) if other is command]
    words = {word for word in command.args[1:] if word}
    before = history[: places[-1]] if places else history
    return [(lane, other) for lane, other in before if words & set(other.args[1:])][-most:]


class Minimiser:
    """Finds a short part of a history that still shows a difference: by leaving out ever smaller pieces."""

    def __init__(self, pair, rules, history, kind=Difference):
        """kind: of the difference to be explained; leaving something out must not turn it into another kind."""
        self.pair = pair
        self.rules = rules
        self.history = history
        self.kind = kind
        self.deadline = time.monotonic() + MINIMISE_SECONDS

    def shows(self, history):
        """The difference that these commands show from empty databases, one batch for each run of one connection's."""
        lanes = {}
        state = StateReader(self.pair, random.Random(1))
        for link in state.links:
            link.exchange([[b"FLUSHALL"]])
        try:
            position = 0
            while position < len(history):
                end = position
                while end < len(history) and history[end][0] is history[position][0]:
                    end += 1
                    if history[end - 1][1].kind in ("quit", "pause"):
                        break
                if history[position][0] not in lanes:
                    lanes[history[position][0]] = Lane(self.pair, answer_seconds=2)
                commands = [command for _, command in history[position:end]]
                self.send(lanes[history[position][0]], commands, state)
                if not lanes[history[position][0]].ends_answered:
                    return None  # what comes next could overtake it
                position = end
            state.compare(self.rules)
        except Difference as difference:
            return difference if isinstance(difference, Confusion) == (self.kind is Confusion) else None
        finally:
            for lane in lanes.values():
                lane.close()
            state.close()
        return None

    def send(self, lane, commands, state):
        pause = commands[-1] is PAUSE
        if pause:
            commands = commands[:-1]
        lane.start(commands, [resp.encode(*command.args) for command in commands])
        lane.finish(self.rules)
        if pause:
            time.sleep(PAUSE_SECONDS)
            state.await_lengths(commands)

    def minimise(self):
        """(history, difference); None when it does not show again."""
        found = self.shows(self.history)
        if found is None:
            return None
        history = self.history
        piece = len(history) // 2
        while piece >= 1 and time.monotonic() < self.deadline:
            position = 0
            while position < len(history) and time.monotonic() < self.deadline:
                shorter = history[:position] + history[position + piece :]
                difference = self.shows(shorter)
                if difference is not None:
                    history, found = shorter, difference
                else:
                    position += piece
            piece //= 2
        return history, found


def explain(run, difference):
    """Everything one needs to know about a difference, as text."""
    names = {}

    def lines(history):
        return [f"  {names.setdefault(id(lane), len(names) + 1)}> {show(command)}" for lane, command in history]

    text = [str(difference), f"episode: {run.mix.describe()}"]
    if difference.command is not None:
        text += ["last commands with the same arguments:"]
        text += lines(last_commands(run.history, difference.command))
    if run.options.minimise:
        try:
            short = Minimiser(run.pair, run.rules, run.history, type(difference)).minimise()
        except OSError as error:
            text += [f"cannot be shown again: {error}"]
        else:
            if short is None:
                text += ["does not show again when the episode is sent once more"]
            else:
                text += [f"{len(short[0])} commands that show it:", *lines(short[0]), str(short[1])]
    return "\n".join(text)


# --- command line ---------------------------------------------------------------------------------------------------


def add_options(parser):
    parser.add_argument("--commands", type=int, default=100_000, help="how many to send (default 100000)")
    parser.add_argument("--seed", type=int, help="default: a fresh one, printed")
    parser.add_argument("--server", default=None, help="under test (default: $DKV_SERVER or build/dkv-server)")
    parser.add_argument("--against", default="redis-server", help="the reference (default redis-server)")
    parser.add_argument("--check-every", type=int, default=5000, metavar="N", help="commands between two state checks")
    restarts = "SIGKILL and restart the server under test every N commands; rewrites in between"
    parser.add_argument("--restart-every", type=int, metavar="N", help=restarts)
    parser.add_argument("--protocol", type=int, choices=[2, 3], help="of all connections (default: both, as it happens)")
    near = "many values and offsets around so many bytes, which is the value-file-threshold of the server under test"
    parser.add_argument("--near", type=int, metavar="BYTES", help=near)
    parser.add_argument("--types", action="append", metavar="TYPE", help="only commands of such values, and general ones, "
                        "which servers newer than the reference have, too (hash: --against Redis 8.2)")  # fmt: skip
    parser.add_argument("--memory-only", action="store_true", help="server under test with appendonly no")
    parser.add_argument("--no-minimise", dest="minimise", action="store_false")
    return parser


def directives_of(options):
    return {"value_file_threshold": options.near, "value_load": "first-use"} if options.near else {}


def main(arguments=None):
    options = add_options(argparse.ArgumentParser(description=__doc__.split("\n")[0])).parse_args(arguments)
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(4), "big")
    replay = f"--seed {seed} --commands {options.commands} --check-every {options.check_every}"
    if options.protocol:
        replay += f" --protocol {options.protocol}"
    if options.restart_every:
        replay += f" --restart-every {options.restart_every}"
    if options.near:
        replay += f" --near {options.near}"
    replay += "".join(f" --types {name}" for name in options.types or [])
    if options.against != "redis-server":
        replay += f" --against {options.against}"
    print(f"seed {seed}: replay with {replay}", flush=True)
    with servers_pair.open_pair(options.server, options.against, options.memory_only, **directives_of(options)) as pair:
        run = Run(pair, seed, options)
        started = time.monotonic()
        try:
            run.run()
        except Difference as difference:
            print(f"DIFFERENCE after {run.sent} commands (seed {seed})\n{explain(run, difference)}")
            return 1
        seconds = time.monotonic() - started
    checks = f"{run.keys_compared} keys compared in state checks, {run.restarts} restarts"
    print(f"{run.sent} commands, {checks}: the same; {seconds:.1f} s, {run.sent / seconds:,.0f} commands/s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
