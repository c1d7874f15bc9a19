"""Users in files: what is saved is what is loaded, never more, and as redis-server reads and writes it."""

import os
import random
import re
import stat

import pytest
from harness.resp import Error, pairs
from harness.server import StartError
from test_acl import verdict

OPEN = b"user default on nopass ~* &* +@all\n"
ODD = [b'"', b"'", b"\\", b"\\x2a", b"*", b"[", b"]", b"?", b"(", b")", b"#", b"|", b"\xc2\xa0", b"\xff", b"\x01", b"\x7f", b"%", b"~", b"&",
       b"+", b"@all", b">", b"on", b"allkeys", b"user"]  # fmt: skip
BLANKS = [b" ", b"\t", b"\n", b"\r", b"\v", b"\f", b"\0", b"  "]


def with_file(new_server, text=OPEN, binary=None, **directives):
    """A server and its ACL file, which is named without a folder: it is in dir."""
    server = new_server(**({"binary": binary} if binary else {}))
    path = server.data / "users.acl"
    path.write_bytes(text)
    server.directives["aclfile"] = "users.acl"
    server.directives.update(directives)
    return server, path


def told(connection):
    """All that is told of users, without the order in which sets come."""
    names = connection.call("ACL", "USERS")
    return connection.call("ACL", "LIST"), [connection.raw("ACL", "GETUSER", name) for name in names]


def word(rng, blanks=False):
    """A few odd bytes and plain ones."""
    pieces = ODD * 2 + [b"a", b"b", b"key:", b"it's", b'a"b'] * 6 + (BLANKS if blanks else [])
    return b"".join(rng.choice(pieces) for _ in range(rng.randrange(0, 5)))


COMMANDS = [b"get", b"set", b"mget", b"del", b"select", b"config|get", b"config", b"client|id", b"client", b"publish", b"subscribe",
            b"object|freq", b"incr", b"rename", b"sort", b"acl|whoami", b"ping", b"echo"]  # fmt: skip
GROUPS = [b"all", b"read", b"write", b"keyspace", b"dangerous", b"fast", b"slow", b"admin", b"connection", b"pubsub", b"transaction"]
WHOLE = [b"allkeys", b"resetkeys", b"allchannels", b"resetchannels", b"allcommands", b"nocommands"]


def selector_rule(rng, blanks):
    kind = rng.randrange(8)
    sign = rng.choice([b"+", b"-", b"+"])
    if kind < 2:
        return sign + rng.choice(COMMANDS)
    if kind == 2:
        return sign + b"@" + rng.choice(GROUPS)
    if kind == 3:
        return b"+" + rng.choice([b"select", b"echo", b"get", b"PING"]) + b"|" + word(rng, blanks)
    if kind < 6:
        return rng.choice([b"~", b"~", b"%R~", b"%W~", b"%rw~"]) + word(rng, blanks)
    return b"&" + word(rng, blanks) if kind == 6 else rng.choice(WHOLE)


def quoted(rng, rule):
    """As it may stand in a selector."""
    if rng.randrange(3):
        return rule
    inner = b"".join(rng.choice([b"\\x%02x" % byte, bytes([byte])]) if byte not in b'"\\' else b"\\" + bytes([byte]) for byte in rule)
    return b'"' + inner + b'"'


def rules(rng, blanks=True):
    """Rules of all kinds; many of them are none."""
    made = []
    for _ in range(rng.randrange(1, 9)):
        kind = rng.randrange(10)
        if kind < 6:
            made.append(selector_rule(rng, blanks))
        elif kind < 8:
            inner = b" ".join(quoted(rng, selector_rule(rng, blanks)) for _ in range(rng.randrange(0, 4)))
            made.append(b"(" + inner + b")")
        else:
            made.append(rng.choice([b"on", b"off", b"nopass", b"resetpass", b"skip-sanitize-payload", b">" + word(rng, blanks),
                                    b">" + rng.randbytes(20), b"clearselectors"]))  # fmt: skip
    return made


def set_users(rng, connection, count, blanks=True):
    """Random users, each by those of its rules that are taken; their names."""
    names = []
    for _ in range(count):
        name = rng.choice([b"u%d" % rng.randrange(100), b"u" + word(rng, blanks), word(rng, blanks)])
        if name == b"default" or isinstance(connection.call("ACL", "SETUSER", name, "reset"), Error):
            continue
        names.append(name)
        for rule in rules(rng, blanks):
            connection.call("ACL", "SETUSER", name, rule)
    return names


def samples(rng, known_rules):
    """Commands to try: with what the rules speak of, and other things."""
    words = [piece for rule in known_rules for piece in re.split(rb"[~&|() ]", rule) if piece] + [b"", b"a", b"key:1", b"*"]
    for _ in range(30):
        one, other = rng.choice(words), rng.choice(words)
        yield rng.choice([(b"GET", one), (b"SET", one, b"v"), (b"MGET", one, other), (b"RENAME", one, other), (b"SELECT", one),
                          (b"CONFIG", b"GET", b"port"), (b"CONFIG", b"SET", b"port", b"1"), (b"CLIENT", b"ID"), (b"PUBLISH", one, b"x"),
                          (b"SUBSCRIBE", one), (b"PSUBSCRIBE", one), (b"ECHO", one), (b"PING", one), (b"OBJECT", b"FREQ", one),
                          (b"FLUSHALL",), (b"INCR", one), (b"DBSIZE",), (b"ACL", b"WHOAMI")])  # fmt: skip


def decisions(connection, names, commands):
    return [(name, args, verdict(connection.call("ACL", "DRYRUN", name, *args))) for name in names for args in commands]


# --- what is saved is what is loaded -----------------------------------------------------------------------------------


HARD = [
    ('bo"b', ["on", ">x"]),
    ("quotes", ['~a"b*', "~it's:*", '+select|"0', "+get"]),
    ("selector", ["(+get ~a))"]),
    ("words", ["(~a) &b) +get)"]),
    ("", ["on", "+get"]),
    ("backslash", ["~\\x2a", "~a\\", "&\\"]),
    ("narrow", ['~"*"', "+@all", '&"*"', '~"\\x2a"', '~"a"']),
    ("in-selector", ['(~"a\\"b" ~"\\x2a\\"" +get)', '(+select|"0 1")', "(&'it\\'s' +publish)"]),
    ("empty", ["()", "~", "(~)"]),
    ("#comment", ["on"]),
    ("(name", ["on", "+get"]),
]


@pytest.mark.dkv("redis-server does not read back selectors with quotes and parentheses in them")
def test_what_is_saved_is_loaded(new_server):
    server, path = with_file(new_server)
    server.start()
    with server.connect() as connection:
        for name, list_of_rules in HARD:
            assert connection.call("ACL", "SETUSER", name, *list_of_rules) == b"OK", (name, list_of_rules)
        before = told(connection)
        assert connection.call("ACL", "SAVE") == b"OK"
        saved = path.read_bytes()
        assert connection.call("ACL", "LOAD") == b"OK"
        assert told(connection) == before
        assert connection.call("ACL", "SAVE") == b"OK" and path.read_bytes() == saved
    server.restart()
    with server.connect() as connection:
        assert told(connection) == before
        assert connection.call("AUTH", 'bo"b', "x") == b"OK"


@pytest.mark.parametrize("pattern, key", [('~"*"', "k"), ('~"\\x2a"', "k"), ('~"a"', "a"), ("~'a'", "a"), ("~\\*", "k")])
def test_rights_do_not_grow(new_server, pattern, key):
    """Quotes in a pattern are letters, before and after."""
    server, _ = with_file(new_server)
    server.start()
    with server.connect() as connection:
        assert connection.call("ACL", "SETUSER", "v", pattern, pattern.replace("~", "&"), "+@all") == b"OK"
        for _ in range(2):
            assert b"access the" in connection.call("ACL", "DRYRUN", "v", "GET", key)
            assert b"access the" in connection.call("ACL", "DRYRUN", "v", "PUBLISH", key, "x")
            assert connection.call("ACL", "DRYRUN", "v", "GET", pattern.replace("~", "").replace("\\x2a", "x2a").replace("\\", "")) == b"OK"
            assert connection.call("ACL", "SAVE") == connection.call("ACL", "LOAD") == b"OK"


@pytest.mark.dkv("redis-server writes what it does not read")
@pytest.mark.parametrize("rule", ["+select|0 1", "+select|0 +@all", "+select|0\n1", "+echo|x\nuser eve on nopass +@all ~*", "+echo|a\t"])
def test_what_a_file_cannot_hold_is_not_written(new_server, rule):
    """The user is named, and the old file stays. A configuration can hold it: every word is quoted there."""
    server, path = with_file(new_server)
    server.start()
    with server.connect() as connection:
        assert connection.call("ACL", "SETUSER", "odd one".replace(" ", "-"), "on", "nopass", rule) == b"OK"
        reply = connection.call("ACL", "SAVE")
        assert reply.startswith(b"ERR user 'odd-one' cannot be written to an ACL file") and path.read_bytes() == OPEN
        users = told(connection)
    server.stop()
    other = new_server()
    configuration = other.folder / "redis.conf"
    configuration.write_text("timeout 100\n")
    other.arguments = [str(configuration)]
    other.start()
    with other.connect() as connection:
        connection.call("ACL", "SETUSER", "odd-one", "on", "nopass", rule)
        assert connection.call("CONFIG", "REWRITE") == b"OK"
    other.restart()
    with other.connect() as connection:
        assert told(connection) == users


@pytest.mark.dkv("redis-server reads back less than it writes")
def test_random_users_in_an_acl_file(new_server, seed, request):
    rng = random.Random(seed)
    server, path = with_file(new_server)
    server.start()
    kept = 0
    for turn in range(300 if request.config.getoption("--full") else 12):
        with server.connect() as connection:
            for name in connection.call("ACL", "USERS"):
                connection.call("ACL", "DELUSER", name)
            names = set_users(rng, connection, 12)
            old = path.read_bytes()
            while isinstance(refusal := connection.call("ACL", "SAVE"), Error):
                named = re.match(rb"(?s)ERR user '(.*)' cannot be written to an ACL file", refusal)
                assert named and path.read_bytes() == old, refusal
                assert connection.call("ACL", "DELUSER", named.group(1)) == 1
            before, names = told(connection), connection.call("ACL", "USERS")
            commands = list(samples(rng, re.findall(rb"\S+", path.read_bytes())))
            decided = decisions(connection, names, commands)
            kept += len(names) - 1
            assert connection.call("ACL", "LOAD") == b"OK", path.read_bytes()
            assert told(connection) == before and decisions(connection, names, commands) == decided
        if turn % 4 == 0:
            server.restart(kill=True)
            with server.connect() as connection:
                assert told(connection) == before and decisions(connection, names, commands) == decided
    assert kept > 20


@pytest.mark.dkv("redis-server quotes nothing")
def test_random_users_in_the_configuration(new_server, seed, request):
    """Whatever can be set can be written there."""
    rng = random.Random(seed)
    server = new_server()
    path = server.folder / "redis.conf"
    path.write_text("# mine\ntimeout 100\nuser alice on >x ~a*\n")
    server.arguments = [str(path)]
    server.start()
    for _ in range(60 if request.config.getoption("--full") else 4):
        with server.connect() as connection:
            names = set_users(rng, connection, 12)
            for name in rng.sample(names, len(names) // 3):
                connection.call("ACL", "DELUSER", name)
            if rng.randrange(2):
                connection.call("ACL", "SETUSER", "default", rng.choice(["-debug", ">secret", "+@all"]), "nopass")
            before, names = told(connection), connection.call("ACL", "USERS")
            commands = list(samples(rng, re.findall(rb"\S+", b" ".join(before[0]))))
            decided = decisions(connection, names, commands)
            assert connection.call("CONFIG", "REWRITE") == b"OK"
            written = path.read_bytes()
            assert connection.call("CONFIG", "REWRITE") == b"OK" and path.read_bytes() == written
        assert written.startswith(b"# mine\ntimeout 100\nuser ")
        server.restart(kill=True)
        with server.connect() as connection:
            assert told(connection) == before and decisions(connection, names, commands) == decided


# --- as redis-server has it ------------------------------------------------------------------------------------------------


def test_what_is_refused(server, start_server, reference_binary):
    """Names, patterns and rules with each byte in them: taken or refused as redis-server does."""
    reference = start_server(binary=reference_binary)
    with server.connect() as ours, reference.connect() as theirs:
        for byte in range(256):
            for before, after in ((b"a", b"b"), (b"", b"b"), (b"a", b""), (b"", b"")):
                one = before + bytes([byte]) + after
                for args in ((one,), (b"u", b"~" + one), (b"u", b"&" + one), (b"u", b"%R~" + one), (b"u", b">" + one), (b"u", b"(~" + one + b")")):
                    replies = [c.call("ACL", "SETUSER", *args) for c in (ours, theirs)]
                    if args[-1].startswith(b"(") and byte in b"\"'\0":
                        continue  # unbalanced quotes: README.md
                    assert isinstance(replies[0], Error) == isinstance(replies[1], Error), (args, replies)
                for c in (ours, theirs):
                    c.call("ACL", "DELUSER", "u", one)


def shared(connection, other):
    return {name for name in connection.call("COMMAND", "LIST")} & {name for name in other.call("COMMAND", "LIST")}


@pytest.mark.dkv("it is compared with redis-server")
def test_files_travel_both_ways(new_server, reference_binary, seed, request):
    """A file of redis-server's, where that reads it back itself, means the same to dkv, and the other way round."""
    rng = random.Random(seed)
    ours, our_path = with_file(new_server)
    theirs, their_path = with_file(new_server, binary=reference_binary)
    ours.start()
    theirs.start()
    taken, given = 0, 0
    with ours.connect() as one, theirs.connect() as other:
        for _ in range(600 if request.config.getoption("--full") else 40):
            list_of_rules = rules(rng, blanks=False)  # of which redis-server makes other rules, or dies
            commands = list(samples(rng, list_of_rules))
            for source, path, target, target_path, is_ours in ((one, our_path, other, their_path, True), (other, their_path, one, our_path, False)):
                source.call("ACL", "SETUSER", "u", "reset")
                for rule in list_of_rules:
                    source.call("ACL", "SETUSER", "u", rule)
                decided = decisions(source, ["u"], commands)
                if isinstance(source.call("ACL", "SAVE"), Error):
                    continue
                target_path.write_bytes(path.read_bytes())
                if not is_ours:  # what redis-server cannot read back, or reads as something else, is not asked for
                    if isinstance(source.call("ACL", "LOAD"), Error) or decisions(source, ["u"], commands) != decided:
                        continue
                    if re.search(rb"\(.*[\"'].*\)", path.read_bytes()):
                        continue
                assert target.call("ACL", "LOAD") == b"OK", path.read_bytes()
                for (_, args, expected), (_, _, found) in zip(decided, decisions(target, ["u"], commands)):
                    if b"" in args:
                        continue  # * matches the empty key, too: see README.md
                    assert expected == found, (path.read_bytes(), args, is_ours)
                taken, given = taken + (not is_ours), given + is_ours
    assert taken > 10 and given > 10


@pytest.mark.dkv("it is compared with redis-server")
def test_lines_of_a_configuration_travel(new_server, reference_binary, seed):
    """What CONFIG REWRITE says of users means the same to redis-server."""
    rng = random.Random(seed)
    server = new_server()
    path = server.folder / "redis.conf"
    path.write_text("timeout 100\n")
    server.arguments = [str(path)]
    server.start()
    reference = new_server(binary=reference_binary)
    (reference.folder / "redis.conf").write_text("")
    reference.arguments = [str(reference.folder / "redis.conf")]
    compared = 0
    for _ in range(5):
        with server.connect() as connection:
            for name, list_of_rules in HARD:
                connection.call("ACL", "SETUSER", name, *list_of_rules)
            set_users(rng, connection, 10, blanks=False)
            names = connection.call("ACL", "USERS")
            assert connection.call("CONFIG", "REWRITE") == b"OK"
            lines = [line for line in path.read_bytes().splitlines(keepends=True) if line.startswith(b"user ")]
            assert len(lines) == len(names)
            commands = list(samples(rng, re.findall(rb"\S+", b"".join(lines))))
            decided = decisions(connection, names, commands)
        (reference.folder / "redis.conf").write_bytes(b"".join(lines))
        reference.start()
        with reference.connect() as connection:
            assert sorted(connection.call("ACL", "USERS")) == sorted(names)
            for (name, args, expected), (_, _, found) in zip(decided, decisions(connection, names, commands)):
                if b"" in args:
                    continue  # * matches the empty key, too: see README.md
                assert expected == found, (name, args, lines)
                compared += 1
        reference.stop()
    assert compared > 500


@pytest.mark.parametrize(
    "text",
    [
        b"user alice on  >x   ~a*  +get \r\n\r\nuser default on nopass ~* &* +@all",
        b"  user alice\ton\n",
        b"user alice on >x\t ~a* +get\t\n" + OPEN,
        b'user "alice" on >x ~a* +get\n' + OPEN,
        b"user alice on >x (~a* +get) ( ~b* +set )\n" + OPEN,
        b"user alice on >x (~a* +get\n" + OPEN,
        b"user  on >x +get\n" + OPEN,
        b"user\n",
        b"USER alice on\n",
        b"user alice on\n" * 2,
        b"user a\tb on\n",
        b"user alice on >x ~a* +get\n" + OPEN + b"\t\r\n \r\n",
    ],
)
def test_lines_mean_what_they_mean_to_redis(new_server, reference_binary, text):
    """Spaces, tabs, carriage returns and quotes in lines: the same users, or both refuse."""
    found = []
    for binary in (None, reference_binary):
        server, _ = with_file(new_server, text, binary)
        try:
            server.start()
        except StartError:
            found.append(None)
            continue
        with server.connect() as connection:
            names = connection.call("ACL", "USERS")
            tried = [(b"GET", b"a1"), (b"GET", b"b"), (b"SET", b"b", b"1"), (b"PING",)]
            flags = [set(pairs(connection.call("ACL", "GETUSER", name))[b"flags"]) - {b"sanitize-payload"} for name in names]
            found.append((names, flags, [d for name in names for d in decisions(connection, [name], tried)]))
    assert found[0] == found[1]


# --- the file ----------------------------------------------------------------------------------------------------------------


@pytest.mark.dkv("redis-server takes the mark for a part of the first word")
@pytest.mark.parametrize("text", [b"\xef\xbb\xbf" + OPEN, b"\xef\xbb\xbf# mine\r\n" + OPEN.replace(b"\n", b"\r\n"), OPEN.rstrip()])
def test_marks_of_editors(new_server, text):
    server, _ = with_file(new_server, text)
    server.start()
    with server.connect() as connection:
        assert connection.call("ACL", "USERS") == [b"default"]


@pytest.mark.dkv("errors of its own")
@pytest.mark.parametrize("text, error", [(OPEN.decode().encode("utf-16"), "users.acl:1: this is no plain text but UTF-16"),
                                         (OPEN + b"user a\0b on\n", "users.acl:2: the line holds a zero byte")])  # fmt: skip
def test_what_is_no_text(new_server, text, error):
    server, _ = with_file(new_server, text)
    with pytest.raises(StartError) as refusal:
        server.start()
    assert error in str(refusal.value)


@pytest.mark.dkv("redis-server replaces links, and keeps neither mode nor owner")
def test_the_file_is_replaced_safely(new_server):
    """A name without a folder is in dir. Links and modes stay; what a crash left behind is in nobody's way."""
    server, path = with_file(new_server)
    target = server.folder / "real.acl"
    path.rename(target)
    path.symlink_to("../real.acl")
    target.chmod(0o640)
    left = server.folder / "real.acl.rewrite"
    left.write_text("half of")
    server.start()
    assert not left.exists()
    left.write_text("half of something that is longer than all that is written " * 9)
    with server.connect() as connection:
        connection.call("ACL", "SETUSER", "alice", "on")
        assert connection.call("ACL", "SAVE") == b"OK"
    assert path.is_symlink() and b"user alice on" in target.read_bytes() and not left.exists()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


@pytest.mark.dkv("texts of its own")
def test_a_folder_that_is_gone(new_server):
    server, path = with_file(new_server)
    server.directives["aclfile"] = "sub/users.acl"
    (server.data / "sub").mkdir()
    path.rename(server.data / "sub" / "users.acl")
    server.start()
    (server.data / "sub").rename(server.data / "other")
    with server.connect() as connection:
        assert b"error trying to save the ACLs" in connection.call("ACL", "SAVE")
        assert connection.call("PING") == b"PONG"
    assert "cannot write sub/users.acl: No such file or directory" in server.log()
    assert os.listdir(server.data / "other") == ["users.acl"]


@pytest.mark.dkv("in redis-server the second of two lines for one user counts")
def test_users_of_an_included_file(new_server):
    """They are not written a second time: where they differ from those in force, CONFIG REWRITE says so."""
    server = new_server()
    (server.folder / "users.conf").write_text("user alice on >x ~a* +get\n")
    path = server.folder / "redis.conf"
    path.write_text(f"include {server.folder}/users.conf\ntimeout 100\n")
    server.arguments = [str(path)]
    server.start()
    with server.connect() as connection:
        connection.call("CONFIG", "SET", "timeout", "200")
        assert connection.call("CONFIG", "REWRITE") == b"OK"
        written = path.read_text()
        assert "user alice" not in written and "timeout 200" in written
        connection.call("ACL", "SETUSER", "bob", "on")
        assert b"an included file declares users" in connection.call("CONFIG", "REWRITE")
        assert path.read_text() == written
    server.restart()


# --- secrets of any bytes ----------------------------------------------------------------------------------------------------


def test_binary_passwords(new_server, seed):
    """As redis-server's own suite has them: any bytes, 4096 of them, in force, told, written and read again."""
    rng = random.Random(seed)
    secrets = [b"a\0b", b"\0", rng.randbytes(4096), b"\r\n \"'\\x00", bytes(range(256))]
    server = new_server()
    path = server.folder / "redis.conf"
    path.write_text("timeout 100\n")
    server.arguments = [str(path)]
    server.start()
    for secret in secrets:
        with server.connect() as connection:
            connection.call("AUTH", secrets[secrets.index(secret) - 1])
            assert connection.call("CONFIG", "SET", "requirepass", secret, "masterauth", secret) == b"OK"
            assert connection.call("CONFIG", "GET", "requirepass") == [b"requirepass", secret]
            assert connection.call("ACL", "SETUSER", "alice", "on", "resetpass", b">" + secret, "+ping") == b"OK"
            assert connection.call("CONFIG", "REWRITE") == b"OK"
        server.restart()
        with server.connect() as connection:
            for wrong in {secret + b"x", secret[:-1], secret[:1] + b"\0" + secret[2:] + b"y", secret.split(b"\0")[0]} - {secret}:
                assert connection.call("AUTH", wrong).code == "WRONGPASS"
            assert connection.call("AUTH", "alice", secret) == b"OK" and connection.call("ACL", "WHOAMI").code == "NOPERM"
            assert connection.call("HELLO", "2", "AUTH", "default", secret)[0] == b"server"
            assert dict(zip(*[iter(connection.call("CONFIG", "GET", "*a*"))] * 2))[b"masterauth"] == secret
            connection.call("ACL", "DELUSER", "alice")
