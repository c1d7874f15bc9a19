#!/usr/bin/python3
"""Makes the inputs that the fuzzers begin from, tests/fuzz/corpus/NAME/: real ones (what clients send, what dkv-server and
redis-server leave in their folders, dkv.conf), those that are there already, and those in the folders that are named,
merged into the few that together reach all that any of them reaches.

    make fuzz-build ...; tests/fuzz/corpus.py BUILD [FOUND...]      FOUND/NAME/ is what a long run of fuzz_NAME has found
"""

import hashlib
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "redis-tests"), str(ROOT / "tests" / "process")]

from harness.resp import encode  # noqa: E402
from harness.server import Server, find_binary  # noqa: E402
from harness.web import request  # noqa: E402
from log_tool import LogTool, random_commands  # noqa: E402
from test_acl_files import set_users  # noqa: E402

CORPUS = ROOT / "tests" / "fuzz" / "corpus"
SERVER = str(ROOT / "build" / "dkv-server")
# What is larger slows a fuzzer down more than it teaches it.
BYTES_MAX = 6000


def clients():
    """For fuzz_resp: the sizes of pieces up to a zero, then what a client sends."""
    rng = random.Random(1)
    for pieces in (b"", b"\x01", b"\x05\x03", b"\x40\x01\x07"):
        commands = [encode(*command) for command in random_commands(rng, 12)]
        yield pieces + b"\0" + b"".join(commands)
        yield pieces + b"\0" + b"SET key value\r\nGET \"a \\x41 b\"\r\nPING\n  \r\n*1\r\n$4\r\nPING\r\n'single'\r\n"
    for text in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"*-1\r\n*0\r\n", b"*1\r\n$9999999999\r\n", b"*2147483648\r\n",
                 b"$5\r\nhello\r\n", b"POST / HTTP/1.0\r\n\r\n", b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500\r\n" + b"v" * 500 + b"\r\n"):  # fmt: skip
        yield b"\x03\0" + text


def configurations():
    """dkv.conf with its comments out and in, piece by piece, and what CONFIG REWRITE makes of it."""
    text = (ROOT / "dkv.conf").read_text()
    bare = "\n".join(line for line in text.splitlines() if line and not line.startswith("#"))
    directives = re.findall(r"^#? ?([a-z][a-z-]+ [^\s#].*)$", text, re.M)
    yield bare.encode()
    for i in range(0, len(directives), 12):
        yield "\n".join(directives[i : i + 12]).encode()


def users():
    """For fuzz_acl: a byte of settings, then ACL files as the two servers write them, and as people do."""
    rng = random.Random(4)
    for binary in (SERVER, find_binary("redis-server")):
        server = Server(binary) if binary else None
        if not server:
            continue
        path = server.data / "users.acl"
        path.write_text("")
        server.directives["aclfile"] = str(path)
        server.start()
        with server.connect() as connection:
            for settings in range(4):
                set_users(rng, connection, 6)
                connection.call("ACL", "SAVE")
                yield bytes([settings]) + path.read_bytes()
        server.remove()
    yield b"\0# mine\r\nuser alice on >x  ~a*\t(+get ~b) ( +set ~c )\r\n\nuser default on nopass ~* &* +@all"
    for rule in ('(~"a b" +get)', "(~'a\\'b')", '(+select|"0 1")', "(~a) +get)", "(+get", ")", "()", "( )", "+select|", '~"', "~\\x2a"):
        yield b"\1user a on " + rule.encode() + b" +get\nuser b off\n"


def payload(path):
    """A file without the zeros at its end that it was prepared with."""
    return path.read_bytes().rstrip(b"\0") + b"\0" * 8


def raw_folder(folder):
    """For fuzz_log: files as they are, each with a byte that chooses its name and two for its size."""
    out = bytearray([6, 0])
    for path in sorted(folder.iterdir()):
        kind = {"log": 0, "base": 1, "MANIFEST": 2}.get(path.name.split("-")[0])
        if kind is None:
            continue
        number = int(re.sub(r"\D", "", path.name) or 0)
        contents = payload(path) if kind != 2 else path.read_bytes()
        if number * 4 + kind > 255 or len(contents) > 65535:
            continue
        out += bytes([number * 4 + kind]) + len(contents).to_bytes(2, "big") + contents
    return bytes(out)


def run_server(binary, commands, **directives):
    server = Server(binary, appendonly="yes", **directives)
    server.start()
    with server.connect() as connection:
        connection.pipeline(commands)
    return server


def folders():
    """For fuzz_log: folders of dkv's, with a base and without, and append-only files of redis-server's and of export."""
    rng = random.Random(2)
    tool = LogTool(SERVER)
    for count in (1, 20):
        server = run_server(SERVER, random_commands(rng, count), segment_size="64kb", history_bases=1)
        server.stop()
        yield raw_folder(server.data)
        yield b"\x07" + tool.bytes("export", server.data)
        server.remove()
    redis = find_binary("redis-server")
    for stamps in ("no", "yes") if redis else ():
        server = run_server(redis, random_commands(rng, 20), aof_use_rdb_preamble="no", aof_timestamp_enabled=stamps)
        server.stop()
        for path in sorted((server.data / "appendonlydir").glob("*.aof")):
            yield b"\x07" + path.read_bytes()
        server.remove()
    for how in range(6):
        yield bytes([how, 0, 4]) + rng.randbytes(300)


def manifests():
    """MANIFESTs as they are, and what stands in them between the title and the checksum."""
    server = run_server(SERVER, [("SET", f"key:{i}", "v" * 1000) for i in range(300)], segment_size="64kb", history_bases=2)
    seen = []
    with server.connect() as connection:
        for _ in range(3):
            connection.call("BGREWRITEAOF")
            connection.pipeline([("SET", f"key:{i}", "w" * 1000) for i in range(100)])
            seen.append((server.data / "MANIFEST").read_bytes())
    server.stop()
    seen.append((server.data / "MANIFEST").read_bytes())
    server.remove()
    for text in seen:
        yield text
        yield b"".join(line for line in text.splitlines(keepends=True) if line.split()[0] not in (b"dkv", b"stream", b"checksum"))


def frames():
    """For fuzz_frame: recipes, with frames whose fields follow each other as in a log."""
    rng = random.Random(3)
    for _ in range(8):
        out = bytearray([rng.randrange(20)]) + bytes(8)
        lsn = 0
        for _ in range(rng.randrange(1, 8)):
            text = encode("SET", "key", "v" * rng.randrange(100))
            fields = bytearray(52)
            fields[12:20] = lsn.to_bytes(8, "little")
            out += bytes([3]) + fields + bytes([len(text)]) + text
            lsn += len(text)
        yield bytes(out)


def web_clients():
    """For fuzz_http: what is permitted, the sizes of pieces up to a zero, then requests of every kind."""
    put, get = request("PUT", "/kv/a?ttl=5", b"value"), request("GET", "/kv/a")
    chunked = b"PUT /kv/c HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
    preflight = request("OPTIONS", "/kv/a", Origin="http://a", Access_Control_Request_Method="PUT")
    for permitted, sizes, requests in [
        (1, b"", put + get + request("HEAD", "/kv/a") + request("DELETE", "/kv/a") + get),
        (1, b"\x07\x20\x03", put + request("GET", "/kv/a", Range="bytes=1-2") + request("GET", "/kv/a", If_None_Match="*")),
        (1, b"\x90", request("PUT", "/kv/a", b"x", If_None_Match="*") + request("PUT", "/kv/a", b"x", If_Match='"x"')),
        (1, b"", request("POST", "/mset", b'{"a":"1","b":{"base64":"AAAA"}}') + request("POST", "/mget", b'["a","b","c"]')),
        (1, b"", request("PUT", "/hash/h?field=f&ttl=5", b"v") + request("GET", "/hash/h?field=f") + request("GET", "/hash/h?count=5")),
        (1, b"", request("PUT", "/hash/h?field=%ff", b"v") + request("POST", "/hash/h?field=%ff&ttl=none") + request("DELETE", "/hash/h?field=%ff")),
        (1, b"", request("POST", "/mset?ttl=5", b'{"a":"1"}') + request("GET", "/kv?prefix=a&count=5") + request("DELETE", "/clear")),
        (1, b"\x50\x10\x01", chunked + b"Expect: 100-continue\r\n\r\n5\r\nabcde\r\n0\r\n\r\n" + get),
        (1, b"", b"".join(request("GET", path) for path in ("/metrics", "/stats", "/", "/readyz", "/healthz"))),
        (5, b"", request("GET", "/kv/%00%ff", Origin="http://a", Authorization="Basic OmE=") + preflight),
        (4, b"", request("GET", "/kv/a", Origin="http://b", Authorization="Bearer x", Connection="close")),
        (8, b"", request("PUT", "/kv/a", b"v" * 20) + request("PUT", "/kv/a", b"v" * 5)),
        (8, b"\x60", chunked + b"\r\n" + b"5\r\nabcde\r\n" * 5 + b"0\r\n\r\n"),
        (2, b"", b"GET /kv/a HTTP/1.1\r\nHost: evil\r\n\r\nnonsense\r\n\r\n"),
    ]:  # fmt: skip
        yield bytes([permitted]) + sizes + b"\0" + requests


def dumped(payload):
    """The listpack in what DUMP gives for a small collection that is one, None for anything else."""
    kind, rest = payload[0], payload[1:]
    if kind == 25:  # the earliest time of a field comes first
        rest = rest[8:]
    elif kind != 16:
        return None
    form = rest[0] >> 6
    if form == 0:
        size, rest = rest[0], rest[1:]
    elif form == 1:
        size, rest = (rest[0] & 63) << 8 | rest[1], rest[2:]
    else:
        size, rest = int.from_bytes(rest[1:5], "big"), rest[5:]
    return rest[:size]


def listpacks():
    """For fuzz_listpack: a byte that tells what is put right, then listpacks: what redis-server dumps, and with times."""
    rng = random.Random(5)
    edges = [0, 127, 128, 4095, 4096, 32767, 32768, 8388607, 8388608, 2**31 - 1, 2**31, 2**63 - 1]
    values = [str(n) for edge in edges for n in (edge, -edge - 1)] + ["", "-0", "01", "x" * 63, "x" * 64, "x" * 126, "x" * 4096]
    server = Server(find_binary("redis-server"), rdbcompression="no", hash_max_listpack_value="10000")
    server.start()
    made = []
    with server.connect() as connection:
        for count in (1, 2, 5, 12, 40):
            pairs = [(f"f{i}" if i % 2 else str(i * 97), rng.choice(values)) for i in range(count)]
            connection.call("DEL", "h")
            connection.call("HSET", "h", *[word for pair in pairs for word in pair])
            made.append(dumped(connection.call("DUMP", "h")))
    server.stop()
    server.remove()
    # As Redis 8 has fields with times: 1000000000000 in 64 bits, and none.
    timed = b"".join(b"\x81" + name + b"\x02" + b"\x05\x01" + time for name, time in
                     [(b"a", b"\xf4\x00\x10\xa5\xd4\xe8\0\0\0\x09"), (b"b", b"\x00\x01"), (b"c", b"\x00\x01")])  # fmt: skip
    made.append((len(timed) + 7).to_bytes(4, "little") + b"\x09\0" + timed + b"\xff")
    for listpack in filter(None, made):
        for how in (0, 3, 7):
            yield bytes([how]) + listpack


def values():
    """For fuzz_rdb: a byte of settings, then values as DUMP gives them without its footer, and one behind another."""
    rng = random.Random(6)
    made = []
    for binary in filter(None, (SERVER, find_binary("redis-server"))):
        server = Server(binary, hash_max_listpack_entries=8)
        server.start()
        with server.connect() as connection:
            connection.pipeline([("SET", "s", "text"), ("SET", "n", -12345), ("SET", "long", "ab" * 300), ("SET", "empty", "")])
            for name, count, size in (("small", 3, 5), ("listpack", 8, 60), ("longer", 2, 200), ("table", 12, 10)):
                connection.call("HSET", name, *[word for i in range(count) for word in (f"f{i}", i if i % 2 else rng.randbytes(size))])
                connection.call("COPY", name, f"timed {name}")
                # The reference does not know it.
                connection.call("HPEXPIREAT", f"timed {name}", 4 * 10**12 + count, "FIELDS", 2, "f0", "f1")
            made += [connection.call("DUMP", key)[:-10] for key in sorted(connection.call("KEYS", "*"))]
        server.stop()
        server.remove()
    for value in made:
        yield bytes([rng.randrange(4)]) + value
    pieces = [value for value in made if value[0] in (4, 24)]
    for value in (made[0], *pieces):
        yield b"\x04" + value + rng.choice(pieces)


MAKERS = {"http": web_clients, "resp": clients, "config": configurations, "log": folders, "manifest": manifests, "frame": frames, "acl": users, "listpack": listpacks, "rdb": values}


def merge(name, fuzzer, found):
    with tempfile.TemporaryDirectory() as scratch:
        made, merged = pathlib.Path(scratch) / "made", pathlib.Path(scratch) / "merged"
        made.mkdir()
        merged.mkdir()
        for data in MAKERS[name]():
            (made / hashlib.sha1(data).hexdigest()).write_bytes(data)
        sources = [folder for folder in [CORPUS / name, made, *found] if folder.is_dir()]
        # By what is reached, not by how often: one input in ten, and nothing less is reached.
        subprocess.run([fuzzer, "-merge=1", "-use_counters=0", f"-max_len={BYTES_MAX}", merged, *sources], check=True, capture_output=True)
        target = CORPUS / name
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for path in merged.iterdir():
            # Short names: what a fuzzer calls them is a hash of 40 digits.
            shutil.copy(path, target / path.name[:12])
        kept = list(target.iterdir())
        print(f"{name}: {len(kept)} inputs, {sum(path.stat().st_size for path in kept)} bytes")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for name in MAKERS:
        fuzzer = pathlib.Path(sys.argv[1]) / "tests" / "fuzz" / f"fuzz_{name}"
        merge(name, str(fuzzer.resolve()), [pathlib.Path(folder) / name for folder in sys.argv[2:]])


if __name__ == "__main__":
    main()
