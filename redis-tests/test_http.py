"""Keys and values over HTTP, beside what a Redis client sees of them."""

import base64
import json
import urllib.parse

import pytest
from harness.web import RawWeb, Web, request, web_directives

pytestmark = pytest.mark.dkv("HTTP")


@pytest.fixture
def start_web(start_server):
    def start(**directives):
        # No time limit unless the test is about it: what ends by one would look like what was noticed.
        server = start_server(**{**web_directives(), "http_timeout": 0, **directives})
        return server, Web(server)

    return start


@pytest.fixture
def web(start_web):
    return start_web()[1]


@pytest.fixture
def both(start_web):
    server, web = start_web()
    with server.connect() as connection:
        yield web, connection


def refused(answer):
    """(status, text) of one whose body is text for people."""
    status, fields, body = answer
    assert fields["Content-Type"] == "text/plain; charset=utf-8"
    return status, body.decode()


# --- one key ---------------------------------------------------------------------------------------------------


def test_put_get_delete(web):
    """What is put is got, until it is deleted; deleting what is not there is no error."""
    assert web.ask("PUT", "/kv/greeting", b"hello\0\xff")[::2] == (200, b"")
    status, fields, body = web.ask("GET", "/kv/greeting")
    assert (status, body) == (200, b"hello\0\xff")
    assert fields["Content-Type"] == "application/octet-stream"
    assert web.ask("DELETE", "/kv/greeting")[::2] == (200, b"")
    assert web.ask("DELETE", "/kv/greeting")[::2] == (200, b"")
    assert refused(web.ask("GET", "/kv/greeting")) == (404, "key not found\n")


def test_same_store(both):
    """A value set over HTTP is read over RESP, and the other way round; so are times to live."""
    web, connection = both
    web.ask("PUT", "/kv/a:1", b"from HTTP")
    assert connection.call("GET", "a:1") == b"from HTTP"
    connection.call("SET", "b.2", "from RESP", "EX", "100")
    status, fields, body = web.ask("GET", "/kv/b.2")
    assert (status, body) == (200, b"from RESP")
    assert fields["X-TTL"] in ("99", "100")


def test_texts_of_errors(web):
    """The words that clients may rely on."""
    assert refused(web.ask("PUT", "/kv/", b"v")) == (400, "key cannot be empty\n")
    assert refused(web.ask("GET", "/kv/")) == (400, "key cannot be empty\n")
    assert refused(web.ask("PUT", "/kv/key", b"")) == (400, "value cannot be empty\n")
    for path in ("/kv/a%20b", "/kv/a/b", "/kv/%C3%A9", "/kv/../../etc/passwd", "/kv/a%2Fb", "/kv/a%00", "/kv/a%zz", "/kv/a%"):
        assert refused(web.ask("GET", path)) == (400, "key contains invalid characters\n"), path
    for method, path in (("POST", "/kv/key"), ("PATCH", "/kv/key"), ("OPTIONS", "/kv/key"), ("GET", "/clear"), ("PUT", "/metrics"), ("BREW", "/kv/key")):
        assert refused(web.ask(method, path)) == (405, "method not allowed\n"), (method, path)
    for path in ("/nothing", "/kvx", "/clear/", "//kv/a", "/KV/a"):
        assert refused(web.ask("GET", path)) == (404, "not found\n"), path


ROUTES = [("GET", "/kv/a", ""), ("HEAD", "/kv/a", ""), ("PUT", "/kv/a", "ttl empty"), ("DELETE", "/kv/a", ""), ("GET", "/kv", "prefix cursor count types"),
          ("GET", "/hash/h", "field cursor count"), ("HEAD", "/hash/h", "field cursor count"), ("PUT", "/hash/h?field=f", "ttl empty"),
          ("POST", "/hash/h?field=f&ttl=9", ""), ("DELETE", "/hash/h?field=f", ""),
          ("POST", "/mget", ""), ("POST", "/mset", "ttl empty"), ("DELETE", "/clear", ""), ("GET", "/metrics", ""), ("GET", "/stats", ""),
          ("GET", "/healthz", ""), ("GET", "/readyz", ""), ("GET", "/", "")]  # fmt: skip
VALUES = {"ttl": "60", "empty": "yes", "prefix": "k", "cursor": "0", "count": "10", "types": "yes", "field": "f"}


@pytest.mark.parametrize("method,path,known", ROUTES)
def test_parameters(both, method, path, known):
    """What a route does not know is named and nothing is done, also beside what it knows, and one that is there twice."""
    web, connection = both
    connection.call("SET", "a", "1")
    connection.call("HSET", "h", "f", "1")
    bodies = {"/mget": b'["a"]', "/mset": b'{"a": "2"}', "/kv/a": b"2", "/hash/h?field=f": b"2"}
    body = bodies.get(path) if method in ("PUT", "POST") else None
    path, needed = path.split("?") if "?" in path else (path, "")
    wrong = ["tll=60", "x", "=1", "TTL=60", "t%74l=60", "ttl%00=1"]
    wrong += [f"{name}={value}" for name, value in VALUES.items() if name not in known and f"{name}=" not in needed]
    wrong += [f"{name}={VALUES[name]}&{extra}" for name in known.split() for extra in ("tll=60", f"{name}={VALUES[name]}", name)]
    if needed:
        wrong = [f"{needed}&{query}" for query in [*wrong, *needed.split("&")]]
    for query in wrong:
        status, fields, text = web.ask(method, f"{path}?{query}", body)
        assert (status, fields["Content-Type"]) == (400, "text/plain; charset=utf-8"), query
        named = (query.rsplit("&", 1)[-1] if "&" in query else query).split("=")[0]
        assert method == "HEAD" or f"'{named}'" in text.decode(), (query, text)
        assert connection.call("GET", "a") == b"1"
        assert connection.call("TTL", "a") == -1
        assert connection.call("HGETALL", "h") == [b"f", b"1"] and connection.call("HTTL", "h", "FIELDS", "1", "f") == [-1]
    for query in ("", "&", "&&", *(f"{name}={VALUES[name]}" for name in known.split()), "&".join(f"{name}={VALUES[name]}" for name in known.split())):
        assert web.ask(method, f"{path}?{needed}&{query}" if needed else f"{path}?{query}", body)[0] == 200, query


def test_kept_time_to_live(both):
    """A put with ttl=keep leaves what is left of it, or that it is for ever, also under a condition and of many at once."""
    web, connection = both
    connection.call("SET", "a", "1", "EX", "1000")
    status, fields, _ = web.ask("PUT", "/kv/a?ttl=keep", b"2")
    assert status == 200 and 990 <= int(fields["X-TTL"]) <= 1000
    assert connection.call("GET", "a") == b"2" and connection.call("TTL", "a") >= 990
    assert web.ask("PUT", "/kv/a?ttl=keep", b"3", If_Match=fields["ETag"])[0] == 200
    assert connection.call("GET", "a") == b"3" and connection.call("TTL", "a") >= 990
    assert web.ask("PUT", "/kv/b?ttl=keep", b"3", If_None_Match="*")[0] == 200
    assert web.ask("POST", "/mset?ttl=keep", b'{"a": "4", "b": "5", "c": "6"}')[0] == 200
    assert connection.call("MGET", "a", "b", "c") == [b"4", b"5", b"6"]
    assert connection.call("TTL", "a") >= 990
    assert connection.call("TTL", "b") == connection.call("TTL", "c") == -1
    for wrong in ("KEEP", "keep1", "kee", "", "0", "-1", "1.5"):
        assert refused(web.ask("PUT", f"/kv/a?ttl={wrong}", b"7")) == (400, "ttl must be a whole number of seconds, 1 or more\n")


def test_empty_values(both):
    """One that is meant is put; without saying so it is a mistake."""
    web, connection = both
    assert refused(web.ask("PUT", "/kv/a", b""))[0] == refused(web.ask("POST", "/mset", b'{"a": ""}'))[0] == 400
    assert connection.call("EXISTS", "a") == 0
    assert web.ask("PUT", "/kv/a?empty=yes", b"")[0] == 200
    assert web.ask("POST", "/mset?empty=yes&ttl=100", b'{"b": "", "c": "1"}')[0] == 200
    assert connection.call("MGET", "a", "b", "c") == [b"", b"", b"1"]
    assert web.ask("GET", "/kv/a")[::2] == (200, b"")
    assert web.ask("PUT", "/kv/a?empty=yes", b"1")[0] == 200
    for wrong in ("no", "", "1"):
        assert refused(web.ask("PUT", f"/kv/a?empty={wrong}", b"")) == (400, "empty must be yes, or not there\n")


def test_targets_with_a_host(web):
    """What proxies are asked for is understood here, too."""
    web.ask("PUT", "http://localhost/kv/a?ttl=50", b"v")
    assert web.ask("GET", "HTTP://127.0.0.2:1/kv/a")[2] == b"v"
    assert web.ask("GET", "http://evil.example/kv/a", Host="localhost")[0] == 403
    assert web.ask("GET", "http://localhost/kv/a", Host="evil.example")[2] == b"v"
    assert web.ask("GET", "http://localhost")[0] == 200
    assert web.ask("GET", "http://localhost/nothing")[0] == 404


def test_plain_keys(web):
    """Letters, digits and four signs, percent-encoded or not."""
    web.ask("PUT", "/kv/aZ09:_.-", b"v")
    assert web.ask("GET", "/kv/%61%5a09%3A%5F%2e%2D")[2] == b"v"


def test_any_key(start_web):
    """http-any-key yes: any bytes, and it can be set while the server runs."""
    server, web = start_web()
    with server.connect() as connection:
        assert connection.call("CONFIG", "SET", "http-any-key", "yes") == b"OK"
        assert web.ask("PUT", "/kv/%00%2Fa%20b/c%ff", b"v")[0] == 200
        assert connection.call("KEYS", "*") == [b"\0/a b/c\xff"]


def test_clear(both):
    """Everything is gone, in all databases."""
    web, connection = both
    web.ask("PUT", "/kv/a", b"1")
    connection.call("SELECT", "1")
    connection.call("SET", "b", "2")
    assert web.ask("DELETE", "/clear")[::2] == (200, b"")
    assert connection.call("DBSIZE") == 0
    assert web.ask("GET", "/kv/a")[0] == 404


@pytest.mark.parametrize("size", [1, 65535, 65536, 1_000_000, 10 << 20])
def test_sizes(both, size):
    """Values of all sizes, those in files of their own too, come back as they were."""
    web, connection = both
    value = bytes(i * i % 251 for i in range(1000)) * (size // 1000 + 1)
    value = value[:size]
    assert web.ask("PUT", "/kv/big", value)[0] == 200
    assert web.ask("GET", "/kv/big")[2] == value
    assert connection.call("GET", "big") == value


def test_too_large(start_web):
    """A body above http-max-value is refused from its announced length, before any of it is sent; and when it turns
    out to be too large on its way."""
    server, web = start_web(http_max_value="1000")
    text = "value is too large\n"
    assert web.ask("PUT", "/kv/a", b"v" * 1000)[0] == 200
    assert refused(web.ask("PUT", "/kv/a", b"v" * 1001)) == (413, text)
    with RawWeb(server) as raw:
        raw.send(b"PUT /kv/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n")
        assert (raw.read().status, raw.read_until_closed()) == (413, b"")
    with RawWeb(server) as raw:
        raw.send(b"PUT /kv/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"v" * 1001)
        assert (raw.read().body, raw.read_until_closed()) == (text.encode(), b"")
    assert web.ask("GET", "/kv/a")[2] == b"v" * 1000


def test_time_to_live(both):
    """?ttl= is in seconds; a put without one takes an old one away; a wrong one changes nothing."""
    web, connection = both
    status, fields, _ = web.ask("PUT", "/kv/a?ttl=100", b"1")
    assert (status, fields["X-TTL"]) == (200, "100")
    assert 98 < connection.call("TTL", "a") <= 100
    web.ask("PUT", "/kv/a", b"2")
    assert connection.call("TTL", "a") == -1
    assert "X-TTL" not in web.ask("GET", "/kv/a")[1]
    for ttl in ("0", "-1", "1.5", "x", "", "%", "99999999999999999999"):
        assert web.ask("PUT", f"/kv/a?ttl={ttl}", b"3")[0] == 400, ttl
    assert web.ask("GET", "/kv/a")[2] == b"2"
    web.ask("PUT", "/kv/a?ttl=1", b"3")
    connection.call("DEBUG", "SLEEP", "1.1")
    assert web.ask("GET", "/kv/a")[0] == 404


# --- conditions and parts --------------------------------------------------------------------------------------


def test_entity_tags(both):
    """A tag tells values apart and nothing else: the same value has the same one, however it came to be."""
    web, connection = both
    tag = web.ask("PUT", "/kv/a", b"1")[1]["ETag"]
    assert tag == web.ask("GET", "/kv/a")[1]["ETag"] == web.ask("HEAD", "/kv/a")[1]["ETag"]
    connection.call("SET", "b", "1")
    assert web.ask("GET", "/kv/b")[1]["ETag"] == tag
    assert web.ask("PUT", "/kv/a", b"2")[1]["ETag"] != tag


def test_not_modified(web):
    tag = web.ask("PUT", "/kv/a", b"1")[1]["ETag"]
    for field in (tag, "*", f'"x", {tag}', f"W/{tag}"):
        status, fields, body = web.ask("GET", "/kv/a", If_None_Match=field)
        assert (status, body, fields["ETag"]) == (304, b"", tag), field
    assert web.ask("GET", "/kv/a", If_None_Match='"x"')[::2] == (200, b"1")
    assert web.ask("GET", "/kv/a", If_Match='"x"')[0] == 412
    assert web.ask("GET", "/kv/b", If_Match="*")[0] == 412


def test_put_if_absent(web):
    assert web.ask("PUT", "/kv/a", b"1", If_None_Match="*")[0] == 200
    assert refused(web.ask("PUT", "/kv/a", b"2", If_None_Match="*")) == (412, "precondition failed\n")
    assert web.ask("GET", "/kv/a")[2] == b"1"


def test_compare_and_set(web):
    """If-Match: the write is done if the value is still the one that was seen."""
    old = web.ask("PUT", "/kv/a", b"1")[1]["ETag"]
    new = web.ask("PUT", "/kv/a", b"2", If_Match=old)[1]["ETag"]
    assert web.ask("PUT", "/kv/a", b"3", If_Match=old)[0] == 412
    assert web.ask("PUT", "/kv/a", b"3", If_Match=f"W/{new}")[0] == 412  # a weak tag matches nothing here
    assert web.ask("DELETE", "/kv/a", If_Match=old)[0] == 412
    assert web.ask("GET", "/kv/a")[2] == b"2"
    assert web.ask("PUT", "/kv/a", b"3", If_Match=f'"x", {new}')[0] == 200
    assert web.ask("PUT", "/kv/b", b"3", If_Match="*")[0] == 412
    assert web.ask("DELETE", "/kv/a", If_Match="*")[0] == 200


def test_compare_and_set_is_atomic(start_web):
    """Many clients that add one to a number by compare-and-set lose none of their additions."""
    import threading

    server, web = start_web()
    web.ask("PUT", "/kv/n", b"0")

    def add(times):
        with RawWeb(server) as raw:
            while times:
                raw.send(request("GET", "/kv/n"))
                seen = raw.read()
                raw.send(request("PUT", "/kv/n", str(int(seen.body) + 1).encode(), If_Match=seen.fields["etag"]))
                times -= raw.read().status == 200

    threads = [threading.Thread(target=add, args=(20,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert web.ask("GET", "/kv/n")[2] == b"160"


def test_head(start_web):
    """As GET, without the body."""
    server, web = start_web()
    web.ask("PUT", "/kv/a?ttl=50", b"value")
    with RawWeb(server) as raw:
        raw.send(request("HEAD", "/kv/a") + request("GET", "/kv/a"))
        head, full = raw.read(has_body=False), raw.read()
        assert head.fields == full.fields
        assert full.body == b"value"
        raw.send(request("HEAD", "/kv/none"))
        assert raw.read(has_body=False).status == 404


@pytest.mark.parametrize("size", [10, 200_000])
def test_ranges(web, size):
    value = bytes(i % 251 for i in range(size))
    tag = web.ask("PUT", "/kv/a", value)[1]["ETag"]

    def part(text, **fields):
        status, fields, body = web.ask("GET", "/kv/a", Range=text, **fields)
        return status, fields["Content-Range"], body

    assert part("bytes=0-0") == (206, f"bytes 0-0/{size}", value[:1])
    assert part("bytes=2-5") == (206, f"bytes 2-5/{size}", value[2:6])
    assert part("bytes=7-") == (206, f"bytes 7-{size - 1}/{size}", value[7:])
    assert part("bytes=-3") == (206, f"bytes {size - 3}-{size - 1}/{size}", value[-3:])
    assert part("bytes=5-99999999999999999999999") == (206, f"bytes 5-{size - 1}/{size}", value[5:])
    assert part(f"bytes={size}-")[:2] == (416, f"bytes */{size}")
    assert part("bytes=-0")[:2] == (416, f"bytes */{size}")
    assert part("bytes=1-2", If_Range=tag)[0] == 206
    for text in ("bytes=5-2", "bytes=a-b", "bytes=", "lines=1-2", "bytes=1-2,4-5", "bytes=-"):
        assert part(text) == (200, None, value), text
    assert part("bytes=1-2", If_Range='"x"') == (200, None, value)


def test_range_of_nothing(both):
    """An empty value, which only RESP can set, is got whole by who asks for its first bytes, as the live page does."""
    web, connection = both
    connection.call("SET", "a", "")
    for text in ("bytes=0-65535", "bytes=-1"):
        assert web.ask("GET", "/kv/a", Range=text)[::2] == (200, b""), text


# --- many keys -------------------------------------------------------------------------------------------------


def test_many(both):
    """Many values in one request; what is no text is told in base64."""
    web, connection = both
    values = {"a": "1", "b": 'é "quoted"\n', "c": {"base64": base64.b64encode(b"\xff\0").decode()}}
    assert web.ask("POST", "/mset", json.dumps(values))[::2] == (200, b"")
    assert connection.call("MGET", "a", "b", "c") == [b"1", 'é "quoted"\n'.encode(), b"\xff\0"]
    assert json.loads(web.ask("POST", "/mget", '["a", "none", "c", "b"]')[2]) == {**values, "none": None}
    assert json.loads(web.ask("POST", "/mget", '{"keys": ["a"]}')[2]) == {"a": "1"}
    assert web.ask("POST", "/mset?ttl=60", '{"a": "2", "d": "3"}')[0] == 200
    assert connection.call("TTL", "d") in (59, 60)
    assert connection.call("TTL", "b") == -1


@pytest.mark.parametrize("path, body", [
    ("/mget", ""), ("/mget", "["), ("/mget", "[]"), ("/mget", "{}"), ("/mget", "[1]"), ("/mget", '[""]'), ("/mget", '["a b"]'),
    ("/mget", '"a"'), ("/mget", '["a"] x'), ("/mget", b"[\"\xff\"]"), ("/mget", "[" * 100_000),
    ("/mset", "{}"), ("/mset", "[]"), ("/mset", '{"a": 1}'), ("/mset", '{"": "1"}'), ("/mset", '{"a": ""}'),
    ("/mset", '{"a": {"base64": "?"}}'), ("/mset", '{"a": {"base64": "AA=="}, "b": {}}'), ("/mset", '{"a b": "1"}'),
    ("/mset?ttl=0", '{"a": "1"}'), ("/mset?ttl=9223372036854775807", '{"a": "1", "b": "2"}'),
])  # fmt: skip
def test_many_gone_wrong(both, path, body):
    """A wrong request is refused as a whole."""
    web, connection = both
    assert refused(web.ask("POST", path, body))[0] == 400
    assert connection.call("DBSIZE") == 0


def test_no_json(web):
    """What is wrong with a body is told, also when there is none."""
    for path in ("/mget", "/mset"):
        assert refused(web.ask("POST", path, "")) == (400, "the body is not valid JSON: line 1, column 0: '[' or '{' expected near end of file\n")
        assert refused(web.ask("POST", path, "[1,]")) == (400, "the body is not valid JSON: line 1, column 4: unexpected token near ']'\n")


def test_many_too_large(both):
    """What would be too much to tell at once is refused, and the next request is answered."""
    web, connection = both
    connection.call("SET", "a", "x" * 10_000_000)
    assert web.ask("POST", "/mget", '["a", "a"]')[0] == 413
    assert web.ask("POST", "/mget", '["a", "b"]')[0] == 200
    with RawWeb_of(web) as raw:
        raw.send(request("POST", "/mget", b'["a", "a"]') + request("POST", "/mget", b'["b"]'))
        assert raw.read().status == 413
        assert raw.read().body == b'{"b":null}\n'


def test_too_many_at_once(both):
    """Nobody else is served while a request with very many keys is read, so it may name some 100,000; and the memory for
    what the names of keys take is bounded, too."""
    web, connection = both
    names = [f"key:{i}" for i in range(100_000)]
    assert web.ask("POST", "/mset?ttl=100", json.dumps(dict.fromkeys(names, "1")))[0] == 200
    assert web.ask("POST", "/mget", json.dumps(names))[0] == 200
    for path, body in (("/mget", json.dumps(["a"] * 1_000_000)), ("/mset", json.dumps({f"{i}": "1" for i in range(400_000)}))):
        assert refused(web.ask("POST", path, body)) == (413, "the request names too much at once\n")
    assert connection.call("DBSIZE") == 100_000
    connection.call("FLUSHALL")
    for i in range(20):
        connection.call("SET", f"{i}" + "\1" * 1_000_000, "")
    assert refused(web.ask("GET", "/kv?count=1000"))[0] == 413
    assert len(json.loads(web.ask("GET", "/kv?count=1")[2])["keys"]) > 0


def RawWeb_of(web):
    class Port:
        directives = {"http-port": web.port}

    return RawWeb(Port)


def test_list(both):
    """All keys with a prefix, in as many pieces as it takes; signs of patterns are nothing special."""
    web, connection = both
    names = {f"user:{i}" for i in range(500)}
    connection.call("MSET", *[word for name in names for word in (name, "v")], "use", "v", "a*b", "v", "axb", "v", b"\xff", "v")

    def collect(query):
        found, cursor = [], "0"
        while True:
            page = json.loads(web.get(f"/kv?cursor={cursor}&{query}"))
            found += page["keys"]
            cursor = page["cursor"]
            if cursor == "0":
                return found

    assert sorted(collect("prefix=user%3A&count=50")) == sorted(names)
    assert collect("prefix=a*") == ["a*b"]
    assert {"base64": base64.b64encode(b"\xff").decode()} in collect("count=1000")
    assert len(collect("")) == 504
    for query in ("count=0", "count=1001", "count=x", "cursor=x", "prefix=%"):
        assert web.ask("GET", f"/kv?{query}")[0] == 400, query


# --- hashes ----------------------------------------------------------------------------------------------------


def field_path(key, field):
    return f"/hash/{key}?{urllib.parse.urlencode({'field': field})}"


def fields_listed(web, key, count=100):
    """{name: (value, ttl or None)} of a hash that does not change meanwhile, with the size that was told; none twice."""
    found, cursor, pages = {}, "0", 0
    while True:
        page = json.loads(web.get(f"/hash/{key}?cursor={cursor}&count={count}"))
        for field in page["fields"]:
            name = field["name"] if isinstance(field["name"], str) else base64.b64decode(field["name"]["base64"])
            assert name not in found
            found[name] = (field["value"], field.get("ttl"))
        cursor, pages = page["cursor"], pages + 1
        if cursor == "0":
            return found, page["size"], pages


@pytest.mark.parametrize("name", ["f", "", "a b", "ä", "a&b=c", "a+b", "\xff\x00".encode("latin1"), b"x" * 3000])
def test_field(both, name):
    """A field's value is put, got, seen over RESP and deleted as a key's is, whatever bytes its name has; the last one
    takes the hash along."""
    web, connection = both
    path, wire = field_path("h", name), name if isinstance(name, bytes) else name.encode()
    assert refused(web.ask("GET", path)) == (404, "field not found\n")
    assert web.ask("PUT", path, b"v\0\xff")[::2] == (200, b"")
    assert connection.call("HGETALL", "h") == [wire, b"v\0\xff"]
    status, fields, body = web.ask("GET", path)
    assert (status, fields["Content-Type"], body) == (200, "application/octet-stream", b"v\0\xff")
    assert "X-TTL" not in fields
    listed = json.loads(web.get("/hash/h"))["fields"]
    try:
        shown = wire.decode()
    except UnicodeDecodeError:
        shown = {"base64": base64.b64encode(wire).decode()}
    assert listed == [{"name": shown, "value": {"base64": base64.b64encode(b"v\0\xff").decode()}}]
    assert web.ask("DELETE", path)[::2] == web.ask("DELETE", path)[::2] == (200, b"")
    assert connection.call("EXISTS", "h") == 0
    assert refused(web.ask("GET", "/hash/h")) == (404, "key not found\n")


def test_field_times(both):
    """A field's time to live is set with its value or alone, kept, told and taken away; a put without one ends it."""
    web, connection = both
    path = field_path("h", "f")

    def ttl():
        return connection.call("HTTL", "h", "FIELDS", "1", "f")[0]

    status, fields, _ = web.ask("PUT", f"{path}&ttl=1000", b"1")
    assert status == 200 and 990 <= int(fields["X-TTL"]) <= 1000 and 990 <= ttl() <= 1000
    status, fields, _ = web.ask("PUT", f"{path}&ttl=keep", b"2")
    assert status == 200 and 990 <= int(fields["X-TTL"]) <= 1000 and 990 <= ttl() <= 1000
    assert web.ask("GET", path)[1]["X-TTL"] and json.loads(web.get("/hash/h"))["fields"][0]["ttl"] >= 990
    assert web.ask("PUT", path, b"3")[0] == 200 and ttl() == -1
    status, fields, _ = web.ask("POST", f"{path}&ttl=500")
    assert status == 200 and 490 <= int(fields["X-TTL"]) <= 500 and 490 <= ttl() <= 500
    assert connection.call("HGET", "h", "f") == b"3"
    status, fields, _ = web.ask("POST", f"{path}&ttl=none")
    assert status == 200 and "X-TTL" not in fields and ttl() == -1
    assert web.ask("POST", f"{path}&ttl=none")[0] == 200
    for there in (field_path("h", "g"), field_path("none", "f")):
        assert refused(web.ask("POST", f"{there}&ttl=9")) == refused(web.ask("POST", f"{there}&ttl=none")) == (404, "field not found\n")
    for wrong in ("", "&ttl=", "&ttl=0", "&ttl=-1", "&ttl=keep", "&ttl=1.5", "&ttl=99999999999999999"):
        assert refused(web.ask("POST", path + wrong))[0] == 400, wrong
    assert refused(web.ask("POST", f"{path}&ttl=9", b"value"))[0] == 400
    connection.call("HPEXPIRE", "h", "1", "FIELDS", "1", "f")
    while connection.call("EXISTS", "h"):
        pass
    assert web.ask("GET", path)[0] == web.ask("GET", "/hash/h")[0] == 404


def test_field_conditions(both):
    """The conditions of /kv hold for fields: nothing is changed where one does not."""
    web, connection = both
    path = field_path("h", "f")
    assert web.ask("PUT", path, b"1", If_Match="*")[0] == 412 and connection.call("EXISTS", "h") == 0
    assert web.ask("PUT", path, b"1", If_None_Match="*")[0] == 200
    assert web.ask("PUT", path, b"2", If_None_Match="*")[0] == 412
    assert web.ask("PUT", f"{path}&ttl=9", b"2", If_None_Match="*")[0] == 412
    assert web.ask("PUT", f"{path}&ttl=900", b"2", If_Match="*")[0] == 200
    tag = web.ask("GET", path)[1]["ETag"]
    assert web.ask("GET", path, If_None_Match=tag)[0] == 304
    assert web.ask("PUT", f"{path}&ttl=keep", b"3", If_Match=tag)[0] == 200
    assert web.ask("PUT", path, b"4", If_Match=tag)[0] == web.ask("DELETE", path, If_Match=tag)[0] == 412
    assert connection.call("HGET", "h", "f") == b"3" and connection.call("HTTL", "h", "FIELDS", "1", "f")[0] > 800
    assert web.ask("GET", path, Range="bytes=0-0")[0] == 206
    assert web.ask("DELETE", path, If_Match=web.ask("GET", path)[1]["ETag"])[0] == 200


@pytest.mark.parametrize("size,limits", [(30, ()), (400, ()), (20000, ()), (400, ("hash-max-listpack-entries", "0"))])
def test_fields_in_pages(both, size, limits):
    """All fields of a hash are listed, in pages of about what was asked for where the hash is large."""
    web, connection = both
    if limits:
        connection.call("CONFIG", "SET", *limits)
    for at in range(0, size, 1000):
        names = range(at, min(size, at + 1000))
        connection.call("HSET", "h", *[word for i in names for word in (f"field:{i}", f"value:{i}")])
    connection.call("HEXPIRE", "h", "1000", "FIELDS", "1", "field:7")
    connection.call("EXPIRE", "h", "5000")
    found, told, pages = fields_listed(web, "h")
    assert told == size and len(found) == size
    assert all(value == f"value:{name.split(':')[1]}" and (ttl is None) == (name != "field:7") for name, (value, ttl) in found.items())
    assert pages >= size / 300 or not limits and size <= 512
    assert 4990 <= int(web.ask("GET", "/hash/h")[1]["X-TTL"]) <= 5000
    for query in ("count=0", "count=1001", "count=x", "cursor=x", "cursor=%"):
        assert web.ask("GET", f"/hash/h?{query}")[0] == 400, query


def test_fields_too_large_together(both):
    """Values that are too large to be told together are refused, and told when fewer are asked for."""
    web, connection = both
    for i in range(20):
        connection.call("HSET", "h", f"f{i}", b"x" * (1 << 20))
    assert refused(web.ask("GET", "/hash/h")) == (413, "the fields are too large to be told together: ask for fewer\n")
    found, told, _ = fields_listed(web, "h", 1)
    assert told == len(found) == 20
    assert len(web.ask("GET", field_path("h", "f3"))[2]) == 1 << 20


def test_other_types(both):
    """Neither a hash is a value, nor a value a hash: both are refused as WRONGTYPE, and stay what they are."""
    web, connection = both
    connection.call("HSET", "h", "f", "1")
    connection.call("SET", "s", "1")
    wrong = (409, "WRONGTYPE Operation against a key holding the wrong kind of value\n")
    for method, path, body in (("GET", "/kv/h", None), ("PUT", "/kv/h", b"2"), ("PUT", "/kv/h?ttl=9", b"2"), ("POST", "/mset", b'{"s": "2", "h": "2"}'),
                               ("POST", "/mset?ttl=9", b'{"s": "2", "h": "2"}'), ("GET", "/hash/s", None), ("GET", "/hash/s?field=f", None),
                               ("PUT", "/hash/s?field=f", b"2"), ("PUT", "/hash/s?field=f&ttl=9", b"2"), ("POST", "/hash/s?field=f&ttl=9", None),
                               ("POST", "/hash/s?field=f&ttl=none", None), ("DELETE", "/hash/s?field=f", None)):  # fmt: skip
        assert refused(web.ask(method, path, body)) == wrong, (method, path)
        assert connection.call("HGETALL", "h") == [b"f", b"1"] and connection.call("GET", "s") == b"1"
    assert web.ask("PUT", "/kv/h", b"2", If_None_Match="*")[0] in (409, 412)
    for path in ("/hash/h", "/hash/h?fields=f"):
        assert web.ask("PUT", path, b"1")[0] == web.ask("POST", path)[0] == web.ask("DELETE", path)[0] == 400
    assert web.ask("POST", "/mget", b'["h", "s"]')[2] == b'{"h":null,"s":"1"}\n'
    assert json.loads(web.get("/kv?types=yes&prefix=h")) == {"cursor": "0", "keys": ["h"], "types": ["hash"]}
    assert dict(zip(*(json.loads(web.get("/kv?types=yes"))[name] for name in ("keys", "types")))) == {"h": "hash", "s": "string"}
    assert web.ask("DELETE", "/kv/h")[0] == 200 and connection.call("EXISTS", "h") == 0
    assert web.ask("PUT", "/kv/h", b"2")[0] == 200


# --- who may ask -----------------------------------------------------------------------------------------------


def test_password(start_web):
    """With requirepass, Basic and Bearer let in; wrong ones and none do not, and are told what is wanted."""
    server, web = start_web(requirepass="secret")
    status, fields, body = web.ask("PUT", "/kv/a", b"1")
    assert (status, body) == (401, b"authentication required\n")
    assert fields.get_all("WWW-Authenticate") == ['Basic realm="dkv", charset="UTF-8"', 'Bearer realm="dkv"']

    def basic(pair):
        return "Basic " + base64.b64encode(pair.encode()).decode()

    for field in ("Bearer secret", "bearer  default:secret", basic("default:secret"), basic(":secret")):
        assert web.ask("PUT", "/kv/a", b"1", Authorization=field)[0] == 200, field
    for field in ("Bearer wrong", basic("default:wrong"), basic("nobody:secret"), "Basic ???", "Basic", "Digest x", "", "Bearer "):
        assert web.ask("GET", "/kv/a", Authorization=field)[0] == 401, field
    with RawWeb(server) as raw:  # a connection that was let in once is asked again
        raw.send(request("GET", "/kv/a", Authorization="Bearer secret") + request("GET", "/kv/a"))
        assert [raw.read().status, raw.read().status] == [200, 401]


def test_users(start_web):
    """What a user of the access control lists may do is what he may do over HTTP."""
    server, web = start_web()
    with server.connect() as connection:
        connection.call("ACL", "SETUSER", "reader", "on", ">r", "~pub:*", "+get", "+mget")
        connection.call("MSET", "pub:a", "1", "priv:a", "2")
        reader = Web(server, "reader", "r")
        assert reader.ask("GET", "/kv/pub:a")[2] == b"1"
        for method, path in (("GET", "/kv/priv:a"), ("DELETE", "/kv/pub:a"), ("DELETE", "/clear"), ("GET", "/kv"), ("GET", "/metrics"), ("GET", "/stats")):
            assert refused(reader.ask(method, path))[0] == 403, (method, path)
        assert refused(reader.ask("PUT", "/kv/pub:a", b"3"))[0] == 403
        connection.call("HSET", "pub:h", "f", "1")
        for method, path in (("GET", "/hash/pub:h"), ("GET", "/hash/pub:h?field=f"), ("PUT", "/hash/pub:h?field=f"), ("DELETE", "/hash/pub:h?field=f")):
            assert refused(reader.ask(method, path, b"1" if method == "PUT" else None))[0] == 403, (method, path)
        connection.call("ACL", "SETUSER", "reader", "+hget", "+hset", "+hscan", "+hlen", "~pub:*")
        assert reader.ask("GET", "/hash/pub:h?field=f")[2] == b"1"
        assert reader.ask("PUT", "/hash/pub:h?field=f", b"2")[0] == reader.ask("GET", "/hash/pub:h")[0] == 200
        assert reader.ask("PUT", "/hash/pub:h?field=f&ttl=9", b"2")[0] == reader.ask("GET", "/hash/priv:h")[0] == 403
        assert reader.ask("POST", "/mget", '["pub:a", "priv:a"]')[0] == 403
        assert connection.call("ACL", "LOG", "RESET") == b"OK"
        connection.call("ACL", "SETUSER", "reader", "off")
        assert reader.ask("GET", "/kv/pub:a")[0] == 401
        assert len(connection.call("ACL", "LOG")) == 1


def test_pages_from_elsewhere(start_web):
    """A browser tells which page asks; only the server's own, and those that are named, may."""
    server, web = start_web()
    web.ask("PUT", "/kv/a", b"1")
    own = f"http://127.0.0.1:{web.port}"
    assert web.ask("GET", "/kv/a", Origin=own)[0] == 200
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", own + ".evil.example"):
        for method in ("GET", "PUT", "POST", "DELETE", "OPTIONS"):
            assert refused(web.ask(method, "/kv/a", b"2", Origin=origin))[0] == 403
    with server.connect() as connection:
        connection.call("CONFIG", "SET", "http-cors-origin", "https://app.example https://b.example")
    status, fields, body = web.ask("GET", "/kv/a", Origin="https://b.example")
    assert (status, body, fields["Access-Control-Allow-Origin"], fields["Vary"]) == (200, b"1", "https://b.example", "Origin")
    status, fields, _ = web.ask("OPTIONS", "/kv/a", Origin="https://app.example", Access_Control_Request_Method="PUT")
    assert (status, fields["Access-Control-Allow-Origin"]) == (204, "https://app.example")
    assert "PUT" in fields["Access-Control-Allow-Methods"]
    assert web.ask("GET", "/kv/a", Origin="http://evil.example")[0] == 403
    with server.connect() as connection:
        connection.call("CONFIG", "SET", "http-cors-origin", "*")
    assert web.ask("GET", "/kv/a", Origin="http://any.example")[0] == 200
    for origin in ("", "a\tb", "a b", "http://\xff"):  # cannot be told back
        assert refused(web.ask("GET", "/kv/a", Origin=origin))[0] == 403, origin


def test_names_from_elsewhere(start_web):
    """A page can give its own name this machine's address: while protected mode is all that protects, names are not
    let in."""
    server, web = start_web()
    for host in ("localhost", "localhost:1", "127.0.0.1", "[::1]:80", "app.localhost", "192.0.2.7"):
        assert web.ask("GET", "/healthz", Host=host)[0] == 200, host
    for host in ("evil.example", "evil.example:80", "localhost.evil.example", "1.2.3.4.evil.example", "", "[::1].evil"):
        assert refused(web.ask("GET", "/healthz", Host=host))[0] == 403, host
    with server.connect() as connection:
        connection.call("CONFIG", "SET", "protected-mode", "no")
    assert web.ask("GET", "/healthz", Host="cache.internal")[0] == 200


def test_browsers_do_not_reach_resp(server):
    """What a browser can be made to send to the other port is refused, as Redis does."""
    import socket

    for first in (b"POST / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), 10) as raw:
            raw.sendall(first + b"\r\nSET hacked 1\r\n")
            received = b""
            try:
                while piece := raw.recv(4096):
                    received += piece
            except ConnectionResetError:
                pass
        assert b"OK" not in received
    with server.connect() as connection:
        assert connection.call("EXISTS", "hacked") == 0
    assert "Possible SECURITY ATTACK" in server.log()


# --- what others see -------------------------------------------------------------------------------------------


def test_seen_as_commands(start_web):
    """MONITOR, CLIENT LIST and the statistics show HTTP clients as what they are."""
    server, web = start_web()
    with server.connect() as connection, RawWeb(server) as raw, server.connect() as monitor:
        monitor.call("MONITOR")
        raw.send(request("PUT", "/kv/a?ttl=9", b"1", If_None_Match="*"))
        assert raw.read().status == 200
        line = monitor.read()
        assert line.endswith(b'"SET" "a" "1" "NX" "EX" "9"')
        peer = "%s:%d" % raw.socket.getsockname()
        assert peer.encode() in line
        clients = connection.call("CLIENT", "LIST").decode()
        mine = next(one for one in clients.splitlines() if peer in one)
        assert "cmd=set" in mine and f"laddr=127.0.0.1:{web.port}" in mine
        assert b"http_clients:1" in connection.call("INFO", "clients")
        assert b"cmdstat_set:calls=1," in connection.call("INFO", "commandstats")
        before = dict(line.split(":", 1) for line in connection.call("INFO", "stats").decode().split("\r\n") if ":" in line)
        assert int(before["total_connections_received"]) >= 3
        assert 'route="/kv/{key}",status="200"' in web.get("/metrics")
        assert connection.call("CONFIG", "RESETSTAT") == b"OK"
        assert 'route="/kv/{key}",status="200"' not in web.get("/metrics")
        assert connection.call("CLIENT", "KILL", "ADDR", peer) == 1
        assert raw.read_until_closed() == b""


def test_renamed_commands(start_web):
    """What Redis clients call commands (rename-command) is nothing to HTTP: what it offers stays."""
    hashes = ("HGET", "HSET", "HSETEX", "HDEL", "HLEN", "HSCAN", "HEXPIRE", "HPERSIST")
    names = ("SET", "GET", "DEL", "FLUSHALL", "MSET", "MGET", "MULTI", "EXEC", "SCAN", "INFO", "SLOWLOG")
    server, web = start_web(rename_command=[("STRLEN", "length"), *[(name, "") for name in (*names[1:], *hashes)], ("SET", "STRLEN"), ("APPEND", "SET")])
    assert web.ask("PUT", "/kv/a", b"1")[0] == 200
    assert web.ask("PUT", "/kv/a", b"2", If_Match=web.ask("GET", "/kv/a")[1]["ETag"])[0] == 200
    assert web.ask("GET", "/kv/a")[2] == b"2"
    assert web.ask("POST", "/mset", '{"b": "3"}')[0] == web.ask("POST", "/mset?ttl=9", '{"c": "4"}')[0] == 200
    assert web.get("/kv?prefix=a") == '{"cursor":"0","keys":["a"]}\n'
    assert web.ask("DELETE", "/kv/a")[0] == 200
    assert web.ask("POST", "/mget", '["a", "b", "c"]')[2] == b'{"a":null,"b":"3","c":"4"}\n'
    assert "slow" in web.stats() and web.ask("GET", "/metrics")[0] == 200
    for method, path, body in (("PUT", "/hash/h?field=f", b"1"), ("PUT", "/hash/h?field=g&ttl=9", b"1"), ("POST", "/hash/h?field=f&ttl=9", None),
                               ("POST", "/hash/h?field=f&ttl=none", None), ("DELETE", "/hash/h?field=g", None), ("GET", "/hash/h", None)):  # fmt: skip
        assert web.ask(method, path, body)[0] == 200, (method, path)
    assert web.ask("DELETE", "/clear")[0] == 200
    with server.connect() as connection:
        assert connection.call("DBSIZE") == 0
        assert b"unknown command" in connection.raw("FLUSHALL")


def test_where_it_listens(new_server):
    """On a port, another port while it runs, and a unix socket with its permissions."""
    import http.client
    import os
    import socket

    server = new_server(**web_directives())
    path = str(server.folder / "web")
    server.start(http_unixsocket=path, http_unixsocketperm="700")
    assert os.stat(path).st_mode & 0o777 == 0o700
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(path)
    connection.request("PUT", "/kv/a", b"1", {"Host": "any.name"})
    assert connection.getresponse().status == 200
    connection.close()
    web = Web(server)
    assert web.ask("GET", "/kv/a")[2] == b"1"
    with server.connect() as resp:
        moved = web_directives()["http_port"]
        assert resp.call("CONFIG", "SET", "http-port", str(moved)) == b"OK"
        with pytest.raises(ConnectionRefusedError):
            web.ask("GET", "/kv/a")
        web.port = moved
        assert web.ask("GET", "/kv/a")[2] == b"1"
        assert resp.call("CONFIG", "SET", "http-port", "0") == b"OK"
        with pytest.raises(ConnectionRefusedError):
            web.ask("GET", "/kv/a")


def test_flags_with_equals_signs(new_server):
    """--http-port=8080 --dir=./data, and the folder is made."""
    server = new_server(**web_directives())
    port = server.directives.pop("http-port")
    server.directives["dir"] = None
    server.arguments = [f"--http-port={port}", "--dir=./new/data"]
    server.start()
    server.directives["http-port"] = port
    assert Web(server).ask("PUT", "/kv/a", b"1")[0] == 200
    assert (server.folder / "new" / "data" / "MANIFEST").exists()
