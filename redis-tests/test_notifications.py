"""Keyspace notifications: the same events as redis-server's, in the same order, for whatever is done to keys."""

import random
import time

import pytest
from harness import mix, servers_pair
from harness.resp import Closed, as_bytes, wait_until

END = b"the end of the test"

# On keys that are there or not, of all the ways in which a command can do something, nothing, or fail.
SCRIPT = """
SET a 1|SET a 2|SET a 3 EX 1000|SET a 4 KEEPTTL|SET a 5 NX|SET a 6 XX|SET a 7 GET|SET new 1 GET|SET nothing 1 XX
SETNX a 1|SETNX b 1|SETEX c 1000 1|SETEX c 1000 2|PSETEX d 100000 1|GETSET a 1|GETSET e 1|MSET a 1 f 2 a 3|MSETNX a 1 g 2
MSETNX g 1 h 2|APPEND a x|APPEND i x|SETRANGE a 1 y|SETRANGE j 3 y|SETRANGE k 0 |INCR n|INCR n|DECR n|INCRBY n 5|DECRBY n 2
DECR m|INCRBYFLOAT n 1.5|INCRBYFLOAT o 1|INCR a|GET a|GET missing|MGET a missing b|STRLEN missing|GETRANGE missing 0 1
EXISTS a missing|TYPE missing|TTL missing|PTTL missing|EXPIRETIME missing|TOUCH a missing|OBJECT ENCODING missing
LCS missing other|EXPIRE a 1000|EXPIRE a 100 GT|EXPIRE missing 10|PEXPIRE a 100000|EXPIREAT a 99999999999|PERSIST a|PERSIST a
PEXPIREAT a 9999999999999|EXPIRE a -1|EXPIRE b 0|GETEX c PERSIST|GETEX c EX 1000|GETEX c|GETEX c EXAT 1|GETEX missing EX 10
GETDEL d|GETDEL missing|SET r 1 EX 1000|SET s 1|RENAME r s|RENAME s t|RENAMENX t u|SET v 1|RENAMENX u v|RENAME missing x
RENAME v v|RENAMENX v v|COPY v w|COPY v w|COPY v w REPLACE|COPY missing w|COPY v w DB 3|MOVE v 4|MOVE v 4|SET v 1|MOVE v 4
SELECT 3|GET w|DEL w missing w|SELECT 0|UNLINK w n missing|SWAPDB 0 3|SELECT 3|DEL m|FLUSHDB|FLUSHALL|SELECT 0
LPUSH|SET|SET a|EXPIRE a x|MULTI|SET a 1|GET missing|DEL a|EXEC|MULTI|SET a 1|DISCARD|WATCH a|MULTI|INCR a|EXEC
SETBIT bit 7 1|SETBIT bit 7 1|SETBIT bit 7 0|GETBIT missing 1|GETBIT bit 1|BITCOUNT missing|BITPOS missing 1
BITFIELD bit SET u8 0 255|BITFIELD bit GET u8 0|BITFIELD bit2 INCRBY u8 0 1|BITFIELD missing GET u8 0
BITOP AND dest bit bit2|BITOP OR dest bit missing|BITOP NOT dest missing|BITOP XOR dest missing missing
PFADD p a b|PFADD p a|PFADD p2|PFADD p2|PFCOUNT p missing|PFMERGE p3 p p2|PFMERGE p p2|PFMERGE p4|PFCOUNT p
SORT missing|SORT missing STORE sorted|DUMP missing
HSET h a 1|HSET h a 1 b 2|HMSET h c 3|HSETNX h c 4|HSETNX h d 4|HINCRBY h a 1|HINCRBYFLOAT h a 0.5|HINCRBY h e 0|HGET h a
HGETALL missing|HDEL h a none|HDEL h none|HRANDFIELD missing|RENAME h i|COPY i h|HDEL h b c d e|SET i 1|HSET i a 1|DEL i
BITOP xor dest missing h other|BITOP and dest h missing|PFCOUNT missing h|LCS h missing|LCS missing h|MGET missing h other
"""


def script():
    for line in SCRIPT.strip().split("\n"):
        for command in line.split("|"):
            yield command.split(" ")


def is_expiry(event):
    """The deletion of what has expired: when that is done is up to the server."""
    return event[3] == b"expired" or event[2].endswith(b":expired")


def events_of(server, classes, commands):
    """What is published while the commands run, and behind what each of them caused the command itself."""
    with server.connect() as listener, server.connect() as speaker:
        assert speaker.call("CONFIG", "SET", "notify-keyspace-events", classes) == b"OK"
        listener.call("PSUBSCRIBE", "__key*")
        for command in commands:
            speaker.pipeline([command, ("PUBLISH", "__key command", repr(command))])
        speaker.call("RESET")
        speaker.call("PUBLISH", "__key end", END)
        events = []
        while not events or events[-1][3] != END:
            events.append(listener.read())
        return [event for event in events if not is_expiry(event)]


def names_known(server):
    with server.connect() as connection:
        return {name.lower() for name in connection.call("COMMAND", "LIST")}


@pytest.fixture
def pair(server_binary, reference_binary):
    with servers_pair.open_pair(server_binary, reference_binary) as opened:
        common = names_known(opened.ours) & names_known(opened.theirs)
        opened.ours.names = opened.theirs.names = common
        yield opened


def known(pair, commands):
    """Those that both servers have; the others come to the test when they come to the server."""
    return [c for c in commands if as_bytes(c[0]).lower() in pair.ours.names]


def compare(pair, classes, commands):
    commands = known(pair, commands)
    ours = events_of(pair.ours, classes, commands)
    theirs = events_of(pair.theirs, classes, commands)
    for index, (our, their) in enumerate(zip(ours, theirs)):
        assert our == their, f"after {ours[max(0, index - 4) : index]}, before {ours[index : index + 4]}"
    assert len(ours) == len(theirs)
    return [event for event in ours if event[2] not in (b"__key command", b"__key end")]


@pytest.mark.parametrize("classes", ["KEAmn", "KEA", "KA", "EA", "Kg", "E$", "Km", "En", "E", "A", "Kx$g", "Kh", "Eh$", ""])
def test_script(pair, classes):
    """Every way to touch a key, under classes that show all of it, parts of it, or nothing."""
    if "h" in classes and b"hset" not in pair.ours.names:
        pytest.skip("this server has no hashes")
    events = compare(pair, classes, list(script()))
    if classes == "KEAmn":
        assert len(events) > 200
    assert bool(events) == (bool(set(classes) & set("KE")) and len(classes) > 1)


def test_random_commands(pair, seed):
    """The same for commands by chance, in transactions and with errors."""
    rng = random.Random(seed)
    chosen = mix.Mix(rng, int(time.time() * 1000), pair.ours.names)
    # When redis-server notices that a key has expired is a matter of luck, and whether it did makes a difference to what
    # SCAN with TYPE (keymiss), RESTORE with REPLACE and BITOP (del) tell.
    chosen.past_times = False
    commands = []
    while len(commands) < 4000:
        for command in chosen.snippet():
            if command.args[0].upper() not in (b"QUIT", b"CLIENT", b"CONFIG", b"RESET", b"HELLO", b"PFDEBUG"):
                commands.append(list(command.args))
    commands = [command for command in commands if command[:1] != [b"AUTH"]]
    compare(pair, "KEAmn", commands)


def test_expired(start_server):
    """A key that expires is told of, by whichever way it goes."""
    server = start_server(notify_keyspace_events="Ex")
    with server.connect() as listener, server.connect() as speaker:
        listener.call("SUBSCRIBE", "__keyevent@0__:expired")
        speaker.call("SET", "by itself", "1", "PX", "20")
        assert listener.read() == [b"message", b"__keyevent@0__:expired", b"by itself"]
        speaker.call("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        speaker.call("SET", "by a write", "1", "PX", "20")
        time.sleep(0.05)
        assert listener.is_silent()
        speaker.call("SET", "by a write", "2")
        assert listener.read() == [b"message", b"__keyevent@0__:expired", b"by a write"]


def test_directive(connection):
    """Letters come back in their order; what is no class is refused."""
    for given, told in [("KEA", "AKE"), ("g$lshzxetdKE", "AKE"), ("mK", "Km"), ("xE", "xE"), ("", "")]:
        assert connection.call("CONFIG", "SET", "notify-keyspace-events", given) == b"OK"
        assert connection.call("CONFIG", "GET", "notify-keyspace-events")[1] == told.encode()
    assert connection.call("CONFIG", "SET", "notify-keyspace-events", "Q").code == "ERR"


def test_listener_that_is_gone(server):
    """Events go on after their listener has left, and come again to the next one."""
    with server.connect() as speaker:
        speaker.call("CONFIG", "SET", "notify-keyspace-events", "KEA")
        for _ in range(3):
            with server.connect() as listener:
                listener.call("PSUBSCRIBE", "*")
                speaker.call("SET", "a", "1")
                assert listener.read()[3] == b"set"
                listener.send("QUIT")
                with pytest.raises(Closed):
                    while listener.read() is not None:
                        pass
            assert speaker.call("SET", "a", "2") == b"OK"
        wait_until(lambda: speaker.call("PUBLISH", "x", "y") == 0)
