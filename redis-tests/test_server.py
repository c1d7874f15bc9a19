"""INFO, CONFIG, COMMAND, SHUTDOWN and what else asks about the server itself."""

import re
import signal
import time

import pytest
from harness.resp import Closed, Connection, Error, encode, pairs, wait_until
from harness.server import Server

# --- INFO ------------------------------------------------------------------------------------------------------------

# What redis-cli (--stat, --bigkeys, --latency), redis-py, the Node.js clients and common exporters read.
INFO_FIELDS = {
    "Server": """redis_version redis_mode os arch_bits process_id run_id tcp_port uptime_in_seconds uptime_in_days hz
        server_time_usec executable config_file multiplexing_api gcc_version""",
    "Clients": "connected_clients maxclients blocked_clients client_recent_max_input_buffer cluster_connections",
    "Memory": """used_memory used_memory_human used_memory_rss used_memory_peak used_memory_overhead used_memory_dataset
        used_memory_startup maxmemory maxmemory_human maxmemory_policy mem_fragmentation_ratio mem_allocator
        total_system_memory""",
    "Persistence": """loading async_loading rdb_changes_since_last_save rdb_bgsave_in_progress rdb_last_save_time
        rdb_last_bgsave_status aof_enabled aof_rewrite_in_progress aof_rewrite_scheduled aof_last_bgrewrite_status
        aof_last_write_status aof_last_rewrite_time_sec""",
    "Stats": """total_connections_received total_commands_processed instantaneous_ops_per_sec total_net_input_bytes
        total_net_output_bytes rejected_connections expired_keys evicted_keys keyspace_hits keyspace_misses
        pubsub_channels pubsub_patterns latest_fork_usec total_error_replies""",
    "Replication": """role connected_slaves master_replid master_repl_offset second_repl_offset repl_backlog_active
        repl_backlog_size""",
    "CPU": "used_cpu_sys used_cpu_user used_cpu_sys_children used_cpu_user_children",
    "Cluster": "cluster_enabled",
}


def information(connection, *sections):
    """INFO as {section: {field: value}}."""
    told, section = {}, None
    for line in connection.call("INFO", *sections).decode().split("\r\n"):
        if line.startswith("# "):
            section = told[line[2:]] = {}
        elif line:
            name, value = line.split(":", 1)
            section[name] = value
    return told


def test_info_has_what_clients_read(connection):
    connection.call("SET", "k", "v")
    told = information(connection)
    for section, names in INFO_FIELDS.items():
        missing = [name for name in names.split() if name not in told[section]]
        assert not missing, f"{section}: {missing}"


def test_info_sections(connection):
    assert list(information(connection, "server")) == ["Server"]
    assert list(information(connection, "SERVER", "memory")) == ["Server", "Memory"]
    assert connection.call("INFO", "nosuch") == b""
    for name in ("all", "everything"):
        assert {"Server", "Commandstats", "Errorstats"} <= set(information(connection, name))
    assert "Commandstats" not in information(connection, "default")
    assert "Commandstats" in information(connection, "commandstats")


def test_info_has_all_fields(connection, reference_binary):
    """Tools of all kinds look for them: every field that the reference tells, in the same section."""
    reference = Server(reference_binary).start()
    try:
        with reference.connect() as other:
            known = information(other, "everything")
    finally:
        reference.remove()
    ours = information(connection, "everything")
    for section in ("Commandstats", "Errorstats", "Latencystats", "Keyspace"):  # what was used
        known.pop(section, None)
    missing = {section: set(fields) - set(ours.get(section, ())) for section, fields in known.items()}
    assert not any(missing.values()), missing
    assert set(known) <= set(ours)


def test_info_keyspace(connection):
    connection.pipeline([("SET", f"k{i}", i) for i in range(10)] + [("EXPIRE", "k1", 1000), ("EXPIRE", "k2", 1000)])
    connection.call("SELECT", 7)
    connection.call("SET", "k", "v")
    told = information(connection, "keyspace")["Keyspace"]
    assert re.fullmatch(r"keys=10,expires=2,avg_ttl=\d+", told["db0"])
    assert int(told["db0"].split("avg_ttl=")[1]) <= 1_000_000  # an estimate, 0 at first in redis
    assert re.fullmatch(r"keys=1,expires=0,avg_ttl=0", told["db7"])
    assert list(told) == ["db0", "db7"]


def test_info_counts(connection):
    """Hits, misses, errors and calls by command; CONFIG RESETSTAT forgets them."""
    connection.call("CONFIG", "RESETSTAT")
    connection.pipeline([("SET", "k", "text"), ("GET", "k"), ("GET", "k"), ("GET", "none"), ("INCR", "k"), ("GET",)])
    told = information(connection, "everything")
    assert told["Stats"]["keyspace_hits"] == "2" and told["Stats"]["keyspace_misses"] == "1"
    assert told["Errorstats"]["errorstat_ERR"] == "count=2"
    assert re.fullmatch(
        r"calls=3,usec=\d+,usec_per_call=[\d.]+,rejected_calls=1,failed_calls=0", told["Commandstats"]["cmdstat_get"]
    )
    assert "failed_calls=1" in told["Commandstats"]["cmdstat_incr"]
    connection.call("CONFIG", "RESETSTAT")
    assert "cmdstat_get" not in information(connection, "commandstats").get("Commandstats", {})


@pytest.mark.dkv("figures of its own")
def test_info_of_dkv(durable_server):
    with durable_server.connect() as connection:
        connection.call("SET", "k", "v")
        told = information(connection)
        assert told["Server"]["redis_version"] == "7.2.4"
        assert told["Server"]["dkv_version"]
        assert told["Persistence"]["aof_enabled"] == "1"


# --- CONFIG ----------------------------------------------------------------------------------------------------------


def test_config_get(connection):
    assert pairs(connection.call("CONFIG", "GET", "databases")) == {b"databases": b"16"}
    assert pairs(connection.call("CONFIG", "GET", "databases", "PROTO-max*")) == {
        b"databases": b"16",
        b"proto-max-bulk-len": b"536870912",
    }
    assert connection.call("CONFIG", "GET", "nosuch") == []
    everything = pairs(connection.call("CONFIG", "GET", "*"))
    for name in (b"maxmemory", b"save", b"appendonly", b"appendfsync", b"timeout", b"bind", b"hz", b"requirepass"):
        assert name in everything


# For Redis's own tests, of its own files.
NOT_WANTED = {"aof-disable-auto-gc"}


def test_config_has_all_directives(connection, reference_binary):
    """Every directive that the reference knows; tools that set one must not fail."""
    reference = Server(reference_binary).start()
    try:
        with reference.connect() as other:
            known = {name.decode() for name in pairs(other.call("CONFIG", "GET", "*"))}
    finally:
        reference.remove()
    ours = {name.decode() for name in pairs(connection.call("CONFIG", "GET", "*"))}
    assert known - ours == NOT_WANTED - ours


def test_config_set(connection):
    assert connection.call("CONFIG", "SET", "maxmemory-samples", "7", "timeout", "100") == b"OK"
    assert pairs(connection.call("CONFIG", "GET", "maxmemory-samples", "timeout")) == {
        b"maxmemory-samples": b"7",
        b"timeout": b"100",
    }
    # All or nothing.
    refused = connection.call("CONFIG", "SET", "timeout", "5", "maxmemory-samples", "x")
    assert refused.startswith(b"ERR CONFIG SET failed (possibly related to argument 'maxmemory-samples')"), refused
    assert pairs(connection.call("CONFIG", "GET", "timeout")) == {b"timeout": b"100"}
    assert connection.call("CONFIG", "SET", "nosuch", "1").startswith(b"ERR Unknown option or number of arguments")
    assert b"can't set immutable config" in connection.call("CONFIG", "SET", "databases", "3")
    assert connection.call("CONFIG", "SET", "timeout", "1", "timeout", "2").startswith(b"ERR CONFIG SET failed")


OTHER_LIMITS = "slave 268435456 67108864 60 pubsub 33554432 8388608 60"


@pytest.mark.parametrize(
    "name, given, kept",
    [
        ("maxmemory", "1gb", "1073741824"),
        ("maxmemory", "100mb", "104857600"),
        ("maxmemory", "0", "0"),
        ("appendfsync", "everysec", "everysec"),
        ("auto-aof-rewrite-percentage", "50", "50"),
        ("auto-aof-rewrite-min-size", "1mb", "1048576"),
        ("proto-max-bulk-len", "64mb", "67108864"),
        ("maxmemory-policy", "allkeys-lru", "allkeys-lru"),
        ("loglevel", "warning", "warning"),
        ("client-output-buffer-limit", "normal 1mb 0 0", f"normal 1048576 0 0 {OTHER_LIMITS}"),
        ("save", "", ""),
        ("save", "100 1", "100 1"),
        ("hz", "20", "20"),
    ],
)
def test_config_set_and_get(connection, name, given, kept):
    assert connection.call("CONFIG", "SET", name, given) == b"OK"
    assert pairs(connection.call("CONFIG", "GET", name)) == {name.encode(): kept.encode()}


def test_config_rewrite(new_server, tmp_path):
    """What was set is in the file; what stood there before, comments included, stays."""
    path = tmp_path / "server.conf"
    path.write_text("# kept comment\ntimeout 5\nmaxmemory-samples 6\n")
    server = Server(new_server().binary, arguments=[path]).start()
    try:
        with server.connect() as connection:
            assert connection.call("CONFIG", "SET", "timeout", "77", "requirepass", "a b\x01") == b"OK"
            assert connection.call("CONFIG", "REWRITE") == b"OK"
        text = path.read_text()
        assert "# kept comment" in text and "timeout 77" in text and "maxmemory-samples 6" in text
        assert text.count("timeout ") - text.count("-timeout ") == 1
        server.stop()
        server.start()
        with server.connect() as connection:
            assert connection.call("AUTH", "a b\x01") == b"OK"
            assert pairs(connection.call("CONFIG", "GET", "timeout")) == {b"timeout": b"77"}
    finally:
        server.remove()


def test_config_rewrite_without_a_file(connection):
    assert connection.call("CONFIG", "REWRITE") == b"ERR The server is running without a config file"


# --- COMMAND ---------------------------------------------------------------------------------------------------------


# 7.2 lets scripts call WAIT.
CHANGED_IN_72 = {b"wait"}


@pytest.mark.dkv("facts of 7.2 that the reference has not")
def test_command_info_agrees_with_the_reference(connection, reference_binary):
    """Arity, flags, keys and categories of every command that both have."""
    reference = Server(reference_binary).start()
    try:
        with reference.connect() as other:
            theirs = {entry[0]: entry for entry in other.call("COMMAND")}
    finally:
        reference.remove()
    ours = {entry[0]: entry for entry in connection.call("COMMAND")}
    assert len(ours) == connection.call("COMMAND", "COUNT")
    assert set(ours) == {name for name in connection.call("COMMAND", "LIST") if b"|" not in name}
    differing = []
    for name, entry in ours.items():
        if name in theirs and name not in CHANGED_IN_72:
            facts = [(e[1], sorted(e[2]), e[3:6], sorted(e[6])) for e in (entry, theirs[name])]
            if facts[0] != facts[1]:
                differing.append((name, *facts))
    assert not differing, "\n".join(map(str, differing))
    needed = "get set del expire multi exec watch config client info command ping scan".split()
    assert {name.encode() for name in needed} <= set(ours)


def test_command_info(connection):
    get, none, config = connection.call("COMMAND", "INFO", "GET", "nosuch", "config|get")
    assert get[:6] == [b"get", 2, [b"readonly", b"fast"], 1, 1, 1]
    assert none is None
    assert config[:2] == [b"config|get", -3]


def test_command_docs(connection):
    docs = pairs(connection.call("COMMAND", "DOCS", "set", "nosuch"))
    assert list(docs) == [b"set"]
    assert {b"summary", b"since", b"group", b"complexity"} <= set(pairs(docs[b"set"]))
    assert pairs(docs[b"set"])[b"since"] == b"1.0.0"
    assert len(connection.call("COMMAND", "DOCS")) > 50


def test_command_list_filters(connection):
    assert b"get" in connection.call("COMMAND", "LIST")
    assert b"set" in connection.call("COMMAND", "LIST", "FILTERBY", "PATTERN", "s*t")
    assert b"get" not in connection.call("COMMAND", "LIST", "FILTERBY", "PATTERN", "s*t")
    assert b"get" in connection.call("COMMAND", "LIST", "FILTERBY", "ACLCAT", "read")
    assert b"set" not in connection.call("COMMAND", "LIST", "FILTERBY", "ACLCAT", "read")
    assert connection.call("COMMAND", "LIST", "FILTERBY", "MODULE", "nosuch") == []


def test_command_getkeysandflags(connection):
    assert connection.call("COMMAND", "GETKEYSANDFLAGS", "SET", "k", "v") == [[b"k", [b"OW", b"update"]]]
    assert connection.call("COMMAND", "GETKEYSANDFLAGS", "COPY", "a", "b") == [
        [b"a", [b"RO", b"access"]],
        [b"b", [b"OW", b"update"]],
    ]


@pytest.mark.parametrize("container", ["CLIENT", "COMMAND", "CONFIG", "DEBUG", "MEMORY", "OBJECT"])
def test_help(connection, container):
    """Lines of text, the first of which says what they are; the subcommands that it names exist."""
    lines = connection.call(container, "HELP")
    assert lines[0].startswith(container.encode() + b" <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
    assert lines[-2:] == [b"HELP", b"    Prints this help."]
    named = [line.split()[0] for line in lines[1:] if not line.startswith(b" ") and b"(" not in line]
    assert len(named) > 1
    if container != "DEBUG":  # whose subcommands are no commands of their own
        asked = connection.call("COMMAND", "INFO", *[container.encode() + b"|" + name for name in named])
        assert [name for name, told in zip(named, asked) if told is None] == []


# --- SHUTDOWN --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), ("SAVE",), ("NOSAVE",), ("NOW",), ("FORCE",), ("NOSAVE", "NOW", "FORCE")])
def test_shutdown(start_server, arguments):
    """No reply, the end of all connections, exit status 0. The log needs no saving, so NOSAVE loses nothing either."""
    server = start_server(appendonly="yes", appendfsync="always")
    with server.connect() as connection, server.connect() as other:
        other.call("SET", "k", "v")
        connection.send("SHUTDOWN", *arguments)
        assert connection.read_until_closed() == b""
        assert other.read_until_closed() == b""
    assert server.wait() == 0
    server.start()
    with server.connect() as connection:
        assert connection.call("GET", "k") == b"v"


@pytest.mark.parametrize("arguments", [("NOSUCH",), ("SAVE", "NOSAVE"), ("ABORT", "NOW"), ("SAVE", "x")])
def test_shutdown_that_is_none(server, arguments):
    with server.connect() as connection:
        assert connection.call("SHUTDOWN", *arguments) == b"ERR syntax error"
        assert connection.call("PING") == b"PONG"


def test_shutdown_in_a_transaction(connection):
    connection.call("MULTI")
    assert connection.call("SHUTDOWN", "NOSAVE").startswith(b"ERR Command not allowed inside a transaction")
    assert connection.call("EXEC").startswith(b"EXECABORT")


# --- loading ---------------------------------------------------------------------------------------------------------


def test_loading(start_server):
    """Clients that come while the data is read are told so, and may ask how far it is."""
    server = start_server(appendonly="yes", appendfsync="no")
    with server.connect(timeout=120) as connection:
        for first in range(0, 600_000, 5000):
            connection.call("MSET", *[word for i in range(first, first + 5000) for word in (f"key:{i:09d}", "x" * 100)])
    server.kill()
    server.launch()
    replies, fields = set(), []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and b"PONG" not in replies:
        try:
            with Connection(server.socket) as connection:
                while b"PONG" not in replies:
                    reply, told = connection.pipeline([("GET", "key:000000000"), ("INFO", "persistence")])
                    replies.add(reply if isinstance(reply, Error) else b"PONG")
                    if isinstance(reply, Error):
                        fields.append(told.decode())
        except (FileNotFoundError, ConnectionError):
            time.sleep(0.001)
    errors = {reply for reply in replies if isinstance(reply, Error)}
    assert errors == {b"LOADING Redis is loading the dataset in memory"}
    assert all("loading:1" in told for told in fields)
    for name in "start_time total_bytes loaded_bytes loaded_perc eta_seconds".split():
        assert f"loading_{name}:" in fields[-1], name
    with server.connect() as connection:
        assert connection.call("DBSIZE") == 600_000
        assert "loading:0" in connection.call("INFO", "persistence").decode()


# --- persistence by command ------------------------------------------------------------------------------------------


def persistence(server, field):
    with server.connect() as connection:
        return information(connection, "persistence")["Persistence"][field]


@pytest.mark.parametrize("command", [("BGREWRITEAOF",), ("BGSAVE",), ("SAVE",), ("BGSAVE", "SCHEDULE")])
def test_rewriting_by_command(durable_server, command):
    """Whatever it is called, afterwards a restart brings everything back, times to live and databases included."""
    with durable_server.connect() as connection:
        connection.pipeline([("SET", f"k{i}", "v" * 100) for i in range(5000)])
        connection.pipeline([("DEL", f"k{i}") for i in range(4000)])
        connection.pipeline([("PEXPIREAT", "k4000", 4102444800000), ("SELECT", 9), ("SET", "nine", "9")])
        reply = connection.call(*command)
        assert not isinstance(reply, Error), reply
        connection.call("SET", "afterwards", "yes")
    idle = {"aof_rewrite_in_progress": "0", "rdb_bgsave_in_progress": "0", "aof_rewrite_scheduled": "0"}
    wait_until(lambda: all(persistence(durable_server, field) == value for field, value in idle.items()))
    assert persistence(durable_server, "aof_last_bgrewrite_status") == "ok"
    assert persistence(durable_server, "rdb_last_bgsave_status") == "ok"
    durable_server.restart(kill=True)
    with durable_server.connect() as connection:
        assert connection.call("DBSIZE") == 1000
        assert connection.call("PEXPIRETIME", "k4000") == 4102444800000
        assert connection.pipeline([("SELECT", 9), ("GET", "nine"), ("GET", "afterwards")])[1:] == [b"9", b"yes"]
        assert connection.call("LASTSAVE") > 1_600_000_000


def test_two_rewrites_at_once(durable_server):
    """The second one is refused or put off, never both at a time."""
    with durable_server.connect() as connection:
        for i in range(20):
            connection.call("MSET", *[word for j in range(2000) for word in (f"k{i}:{j}", "v" * 100)])
        replies = connection.pipeline([("BGREWRITEAOF",), ("BGREWRITEAOF",)])
        assert replies[0] == b"Background append only file rewriting started"
        assert replies[1].startswith((b"ERR Background append only file rewriting already in progress", b"Background"))


def test_expired_stays_expired(durable_server):
    """Times to live go on while the server is down (D9)."""
    with durable_server.connect() as connection:
        connection.call("SET", "short", "v", "PX", 300)
        connection.call("SET", "long", "v", "PX", 1_000_000)
    durable_server.kill()
    time.sleep(0.4)
    durable_server.start()
    with durable_server.connect() as connection:
        assert connection.call("EXISTS", "short") == 0
        assert 900_000 < connection.call("PTTL", "long") <= 1_000_000


def test_memory_only(start_server):
    """appendonly no keeps nothing, and says so."""
    server = start_server(appendonly="no")
    with server.connect() as connection:
        connection.call("SET", "k", "v")
        told = information(connection, "persistence")["Persistence"]
        assert (told["aof_enabled"], told.get("dkv_durability", "none")) == ("0", "none")
    server.restart()
    with server.connect() as connection:
        assert connection.call("GET", "k") is None


@pytest.mark.dkv("what dkv warns of")
def test_memory_only_is_a_warning(start_server):
    """Where nothing is kept, the log says so as a warning and tells what to do, at the start and, when data is lost by
    it, at the stop; also that there is a log which is not read. What it tells to do works."""
    server = start_server(appendonly="no")
    assert re.search(r"# NOTHING IS KEPT ON DISK .*CONFIG SET appendonly yes", server.log())
    assert "NOT READ" not in server.log()
    with server.connect() as connection:
        connection.call("SET", "k", "v")
    server.stop()
    assert re.search(r"# stopped; the 1 keys in memory are gone", server.log())
    server.start()
    with server.connect() as connection:
        connection.call("SET", "k", "v")
        assert connection.call("CONFIG", "SET", "appendonly", "yes") == b"OK"
        assert information(connection, "persistence")["Persistence"]["dkv_durability"] == "always"
    server.restart()
    assert re.search(r"# the data in .* is NOT READ", server.log())
    server.restart(appendonly="yes")
    with server.connect() as connection:
        assert connection.call("GET", "k") == b"v"


@pytest.mark.redis72("WAITAOF")
def test_waitaof_without_a_log(start_server):
    with start_server(appendonly="no").connect() as connection:
        assert connection.call("WAITAOF", 1, 0, 0) == (
            b"ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."
        )


@pytest.mark.redis72("WAITAOF")
def test_waitaof(durable_server):
    with durable_server.connect() as connection:
        connection.call("SET", "k", "v")
        assert connection.call("WAITAOF", 1, 0, 5000) == [1, 0]
        assert connection.call("WAITAOF", 0, 0, 0) == [1, 0]
        assert connection.call("WAITAOF", 1, 1, 50) == [1, 0]
        assert connection.call("WAITAOF", 2, 0, 0) == b"ERR value is out of range, value must between 0 and 1"
        assert connection.call("CONFIG", "SET", "appendfsync", "no") == b"OK"
        connection.call("SET", "k", "w")
        assert connection.call("WAITAOF", 1, 0, 10000) == [1, 0]


def test_wait(connection):
    """No replicas yet: 0 at once, or after its time."""
    connection.call("SET", "k", "v")
    assert connection.call("WAIT", 0, 1000) == 0
    begun = time.monotonic()
    assert connection.call("WAIT", 1, 100) == 0
    assert 0.09 < time.monotonic() - begun < 10


def test_wait_is_left_by_closing(server):
    """A client that waits for ever and goes away leaves nothing behind."""
    with server.connect() as connection, server.connect() as other:
        connection.call("SET", "k", "v")
        connection.send("WAIT", 1, 0)
        assert connection.is_silent(0.05)
        assert b"blocked_clients:1" in other.call("INFO", "clients")
        connection.close()
        wait_until(lambda: b"blocked_clients:0" in other.call("INFO", "clients"))


# --- the rest --------------------------------------------------------------------------------------------------------


def test_debug_sleep(server):
    """Holds everybody up, as test suites expect."""
    with server.connect() as connection, server.connect() as other:
        begun = time.monotonic()
        connection.send("DEBUG", "SLEEP", "0.2")
        time.sleep(0.05)
        assert other.call("PING") == b"PONG"
        assert time.monotonic() - begun > 0.19
        assert connection.read() == b"OK"


@pytest.mark.parametrize("text", ["FOO", "FOO bar", "two\r\nlines"])
def test_debug_error_is_not_counted(connection, text):
    """It replies an error, and is no failure for all that: nothing in INFO counts it."""
    connection.call("CONFIG", "RESETSTAT")
    assert connection.call("DEBUG", "ERROR", text) == text.replace("\r\n", "  ").encode()
    told = information(connection, "everything")
    assert not told.get("Errorstats") and told["Stats"]["total_error_replies"] == "0"
    assert "failed_calls=0" in told["Commandstats"]["cmdstat_debug"]


@pytest.mark.parametrize(
    "kind, resp2, resp3",
    [
        ("string", b"$11\r\nHello World", None),
        ("integer", b":12345", None),
        ("double", b"$5\r\n3.141", b",3.141"),
        ("bignum", b"$37\r\n1234567999999999999999999999999999999", b"(1234567999999999999999999999999999999"),
        ("null", b"$-1", b"_"),
        ("array", b"*3\r\n:0\r\n:1\r\n:2", None),
        ("set", b"*3\r\n:0\r\n:1\r\n:2", b"~3\r\n:0\r\n:1\r\n:2"),
        ("map", b"*6\r\n:0\r\n:0\r\n:1\r\n:1\r\n:2\r\n:0", b"%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f"),
        (
            "attrib",
            b"$39\r\nSome real reply following the attribute",
            b"|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n"
            b"$39\r\nSome real reply following the attribute",
        ),
        (
            "push",
            b"-ERR RESP2 is not supported by this command",
            b">2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n$40\r\nSome real reply following the push reply",
        ),
        ("verbatim", b"$25\r\nThis is a verbatim\nstring", b"=29\r\ntxt:This is a verbatim\nstring"),
        ("true", b":1", b"#t"),
        ("false", b":0", b"#f"),
        (
            "nosuch",
            b"-ERR Wrong protocol type name. Please use one of the following: "
            b"string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            None,
        ),
    ],
)
def test_debug_protocol(server, kind, resp2, resp3):
    """A reply of each kind, as the tests of client libraries expect it, and nothing behind it."""
    for protocol, expected in ((2, resp2), (3, resp3 or resp2)):
        with server.connect() as connection:
            connection.call("HELLO", protocol)
            connection.send_bytes(encode("DEBUG", "PROTOCOL", kind) + encode("QUIT"))
            assert connection.read_until_closed() == expected + b"\r\n+OK\r\n"


def test_debug_is_off_by_default(start_server):
    with start_server(enable_debug_command="no").connect() as connection:
        assert connection.call("DEBUG", "SLEEP", "0").startswith(b"ERR DEBUG command not allowed.")
        assert connection.call("CONFIG", "SET", "enable-debug-command", "yes").startswith(b"ERR CONFIG SET failed")


def test_memory_usage(connection):
    connection.call("SET", "small", "x")
    connection.call("SET", "large", "x" * 100_000)
    assert 0 < connection.call("MEMORY", "USAGE", "small") < 200
    assert 100_000 < connection.call("MEMORY", "USAGE", "large") < 140_000
    assert connection.call("MEMORY", "USAGE", "none") is None


def test_time_and_role(connection):
    seconds, microseconds = connection.call("TIME")
    assert abs(int(seconds) - time.time()) < 60 and 0 <= int(microseconds) < 1_000_000
    assert connection.call("ROLE")[0] == b"master" and connection.call("ROLE")[2] == []


def test_sighup_does_not_end_it(server, flavor):
    if flavor != "dkv":
        pytest.skip("redis ignores it, too, but only as a daemon")
    server.send_signal(signal.SIGHUP)
    with server.connect() as connection:
        assert connection.call("PING") == b"PONG"


def test_a_killed_client_in_the_middle_of_a_command(server):
    """Half a command and the end: nothing of it happens."""
    with server.connect() as connection:
        connection.send_bytes(encode("SET", "whole", "1") + encode("SET", "half", "1")[:-3])
        assert connection.read() == b"OK"
    with server.connect() as connection:
        assert connection.call("KEYS", "*") == [b"whole"]


def test_a_transaction_ends_with_its_connection(server):
    with server.connect() as connection:
        connection.pipeline([("MULTI",), ("SET", "k", "v")])
    with server.connect() as connection:
        assert connection.call("EXISTS", "k") == 0


def test_closing_in_the_middle_of_replies(server):
    """A client that goes away while large replies are on their way takes nobody with it."""
    with server.connect() as other:
        other.call("SET", "k", "x" * 1_000_000)
        for _ in range(20):
            with server.connect() as connection:
                connection.send_bytes(encode("GET", "k") * 20)
        with pytest.raises((Closed, TimeoutError)):
            connection = server.connect(timeout=0.1)
            connection.send_bytes(b"*1\r\n")
            connection.read()
        assert other.call("PING") == b"PONG"


# --- beside redis-server ------------------------------------------------------------------------------------------------


@pytest.fixture
def two_servers(new_server, reference_binary):
    """dkv and redis-server, both with a log."""
    servers = [new_server().start(), new_server(binary=reference_binary, appendonly="yes").start()]
    yield servers


def idle(connection):
    """No rewrite is running or about to."""
    told = information(connection, "persistence")["Persistence"]
    return all(told[field] == "0" for field in ("aof_rewrite_in_progress", "rdb_bgsave_in_progress", "aof_rewrite_scheduled"))


@pytest.mark.parametrize(
    "commands",
    [
        ("BGREWRITEAOF", "BGREWRITEAOF", "BGSAVE", "BGSAVE SCHEDULE", "BGSAVE x", "SAVE"),
        ("BGSAVE", "BGSAVE", "BGSAVE SCHEDULE", "BGREWRITEAOF", "BGREWRITEAOF", "SAVE"),
        ("MULTI", "BGSAVE", "BGREWRITEAOF", "BGSAVE", "SAVE", "DISCARD"),
        ("MULTI", "BGSAVE", "BGREWRITEAOF", "BGSAVE SCHEDULE", "EXEC"),
        ("BGREWRITEAOF", "MULTI", "BGSAVE", "EXEC"),
        ("SAVE", "SAVE", "BGSAVE"),
    ],
)
def test_rewrites_while_one_is_running(two_servers, commands):
    """Each begins, waits or is refused as in redis-server, where saving and rewriting the log are two things. What is sent
    at once is run before the end of a child is seen, but where a fork takes so long that others have their turn first: then
    it is tried again."""

    def ask(server):
        with server.connect() as connection:
            for i in range(5):
                connection.call("MSET", *[word for j in range(2000) for word in (f"k{i}:{j}", "v" * 100)])
            replies = connection.pipeline([command.split() for command in commands])
            wait_until(lambda: idle(connection))
            assert not isinstance(connection.call("SAVE"), Error)
            return replies

    for _ in range(30):
        ours, theirs = (ask(server) for server in two_servers)
        if ours == theirs:
            break
    assert ours == theirs


def test_saving_behind_a_rewrite(durable_server):
    """SAVE waits for a rewrite of its own, and two clients for the same one."""
    with durable_server.connect() as connection, durable_server.connect() as other:
        connection.call("SET", "k", "v")
        before = int(persistence(durable_server, "aof_rewrites"))
        connection.send_bytes(encode("BGREWRITEAOF") + encode("SAVE"))
        other.call("PING")
        assert connection.read() == b"Background append only file rewriting started"
        assert connection.read() == b"OK"
        assert int(persistence(durable_server, "aof_rewrites")) == before + 2


def test_waiting_while_clients_are_paused(durable_server):
    """Who waits already is answered when what he waits for comes during CLIENT PAUSE."""
    with durable_server.connect() as saver, durable_server.connect() as waiter, durable_server.connect() as boss:
        saver.call("SET", "k", "v")
        waiter.call("PING")
        saver.send("SAVE")
        waiter.send("WAIT", 1, 20)
        assert boss.call("CLIENT", "PAUSE", 100, "ALL") == b"OK"
        assert saver.read() == b"OK"
        assert waiter.read() == 0


VALUES = ["", "a", "bar", "0", "-1", "127", "128", "-129", "32768", "2147483647", "2147483648", "-2147483649", "007", "1.5",
          "x" * 20, "x" * 21, "x" * 63, "x" * 64, "x" * 900, "abcdefghij" * 50, bytes(range(256)), "12345678901"]  # fmt: skip


def test_serialized_length(two_servers):
    """What DEBUG OBJECT tells of a value is what it takes in a dump, not its length."""
    lengths = []
    for server in two_servers:
        with server.connect() as connection:
            connection.pipeline([("SET", f"k{i}", value) for i, value in enumerate(VALUES)])
            told = connection.pipeline([("DEBUG", "OBJECT", f"k{i}") for i in range(len(VALUES))])
            lengths.append([int(re.search(rb"serializedlength:(\d+)", line)[1]) for line in told])
    assert lengths[0] == lengths[1]
    assert lengths[0][2] == 4
    with two_servers[0].connect() as connection:
        connection.call("SET", "large", "x" * 1_000_000)
        assert b"serializedlength:1000005 " in connection.call("DEBUG", "OBJECT", "large")


SECRETS = [
    ("AUTH", "s3cret"), ("AUTH", "who", "s3cret"),
    ("HELLO", "2", "AUTH", "who", "s3cret"), ("HELLO", "2", "SETNAME", "n", "AUTH", "who", "s3cret"),
    ("CONFIG", "SET", "requirepass", ""), ("CONFIG", "SET", "masterauth", "s3cret"), ("CONFIG", "SET", "masteruser", "s3cret"),
    ("CONFIG", "SET", "timeout", "0", "masteruser", "s3cret", "slowlog-max-len", "200"),
    ("CONFIG", "SET", "masteruser", ""),
    ("ACL", "SETUSER", "who", "on", ">s3cret", "~*"), ("ACL", "SETUSER", "who", "nosuch"),
    ("ACL", "USERS"),
    ("MIGRATE", "127.0.0.1", "1", "nokey", "0", "10", "AUTH", "s3cret"),
    ("MIGRATE", "127.0.0.1", "1", "nokey", "0", "10", "AUTH2", "who", "s3cret"),
    ("CLIENT", "SETNAME", "x"), ("SET", "k", "v"),
]  # fmt: skip


def test_secrets_are_not_shown(two_servers):
    """Neither in SLOWLOG nor by MONITOR, whatever became of the command; the same words as redis-server's."""
    shown = []
    for server in two_servers:
        with server.connect() as connection, server.connect() as monitor:
            connection.call("CONFIG", "SET", "slowlog-log-slower-than", "0")
            assert monitor.call("MONITOR") == b"OK"
            connection.call("SLOWLOG", "RESET")
            for command in SECRETS:
                connection.call(*command)
            shown.append([entry[3] for entry in connection.call("SLOWLOG", "GET", "-1")])
            connection.call("ECHO", "the end")
            lines = []
            while b"the end" not in (lines or [b""])[-1]:
                lines.append(monitor.read())
            assert not any(b"s3cret" in line for line in lines)
    assert shown[0] == shown[1]
    assert not any(b"s3cret" in word for words in shown[0] for word in words)


@pytest.mark.parametrize(
    "command",
    [
        ("CONFIG", "SET", "tls-key-file-pass", "s3cret"),
        ("CONFIG", "SET", "tls-client-key-file-pass", "s3cret"),
        ("CONFIG", "SET", "masterauth", "s3cret", "timeout"),
        ("ACL", "GETUSER", "s3cret"),
        ("ACL", "DELUSER", "who", "s3cret"),
        ("ACL", "DELUSER", "default", "s3cret"),
        ("HELLO", "x", "AUTH", "who", "s3cret"),
        ("HELLO", "2", "NOSUCH", "AUTH", "who", "s3cret"),
        ("MIGRATE", "127.0.0.1", "1", "nokey", "x", "10", "AUTH", "s3cret"),
        ("MIGRATE", "127.0.0.1", "1", "nokey", "0", "x", "NOSUCH", "AUTH2", "who", "s3cret"),
    ],
)
def test_more_secrets_are_not_shown(connection, command):
    """What Debian's redis-server does not know, or shows: where there is a mistake before the secret, and names."""
    connection.call("CONFIG", "SET", "slowlog-log-slower-than", "0")
    connection.call("SLOWLOG", "RESET")
    connection.call(*command)
    entries = [entry[3] for entry in connection.call("SLOWLOG", "GET", "-1")]
    assert any(words[0] == command[0].encode() for words in entries)
    assert not any(b"s3cret" in word for words in entries for word in words)


def test_the_offset_is_redis(two_servers):
    """Nobody follows: ROLE and INFO say 0, however much was written."""
    told = []
    for server in two_servers:
        with server.connect() as connection:
            roles = [connection.call("ROLE")]
            connection.call("SET", "k", "v")
            roles.append(connection.call("ROLE"))
            told.append((roles, information(connection, "replication")["Replication"]["master_repl_offset"]))
    assert told[0] == told[1] == ([[b"master", 0, []]] * 2, "0")


def test_who_asked_for_a_shutdown(durable_server):
    with durable_server.connect(tcp=True) as connection:
        connection.call("CLIENT", "SETNAME", "the-operator")
        port = connection.socket.getsockname()[1]
        connection.send("SHUTDOWN", "NOSAVE")
        assert durable_server.wait() == 0
    line = next(line for line in durable_server.log().splitlines() if "User requested shutdown" in line)
    assert "SHUTDOWN nosave" in line.replace("NOSAVE", "nosave") and f"addr=127.0.0.1:{port} " in line
    assert "name=the-operator" in line and "user=default" in line
