"""Requests as the standards have them (RFC 9110, RFC 9112), and all that is told of smuggling them: what is right to do with
each, and that nothing is done for one that is refused or for what stands behind it."""

import socket

import pytest
from harness.server import Server
from harness.web import RawWeb, Web, request, web_directives

pytestmark = pytest.mark.dkv("HTTP")

HIDDEN = request("DELETE", "/kv/kept")
HOST = b"Host: localhost\r\n"
PUT = b"PUT /kv/a HTTP/1.1\r\n" + HOST
CHUNKED = PUT + b"Transfer-Encoding: chunked\r\n"
MANY_FIELDS = b"".join(b"X-%d: a\r\n" % i for i in range(400))


def get(target):
    return b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n"


# What each stands for, its bytes, and the statuses that are right. Behind each comes HIDDEN.
REFUSED = {
    # the request line
    "HTTP/0.9": (b"GET /kv/a\r\n", {400}),
    "no target": (b"GET HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "no method": (b" /kv/a HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "two spaces before the target": (b"DELETE  /kv/kept HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "two spaces behind the target": (b"DELETE /kv/kept  HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "space at the end": (b"DELETE /kv/kept HTTP/1.1 \r\n" + HOST + b"\r\n", {400}),
    "tabs": (b"DELETE\t/kv/kept\tHTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "tab in the target": (get(b"/kv/a\t"), {400}),
    "space in the target": (get(b"/kv/a b"), {400}),
    "bare line feed": (b"DELETE /kv/kept HTTP/1.1\n" + HOST + b"\r\n", {400}),
    "bare line feeds": (b"DELETE /kv/kept HTTP/1.1\nHost: localhost\n\n", {400}),
    "bare carriage return": (b"DELETE /kv/kept HTTP/1.1\rHost: localhost\r\n\r\n", {400}),
    "carriage return in the target": (get(b"/kv/a\r"), {400}),
    "NUL in the target": (b"DELETE /kv/kept\0x HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "NUL behind clear": (b"DELETE /clear\0x HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "NUL in a key": (b"PUT /kv/nn\0zz HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\n\r\nx", {400}),
    "NUL in the query": (get(b"/kv?prefix=a\0b"), {400}),
    "NUL in the method": (b"DELETE\0 /kv/kept HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "NUL in the version": (b"DELETE /kv/kept HTTP/1.1\0\r\n" + HOST + b"\r\n", {400}),
    "DEL in the target": (get(b"/kv/a\x7f"), {400}),
    "fragment": (get(b"/kv/a#b"), {400}),
    "backslash": (get(b"/kv\\a"), {400}),
    "target without a slash": (get(b"kv/a"), {400}),
    "target of another scheme": (get(b"https://localhost/kv/a"), {400, 421}),
    "authority": (b"CONNECT localhost:80 HTTP/1.1\r\n" + HOST + b"\r\n", {400, 405, 501}),
    "asterisk": (get(b"*"), {400}),
    "asterisk and more": (b"OPTIONS *x HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "method with a colon": (b"DEL:ETE /kv/kept HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "version in small letters": (b"DELETE /kv/kept http/1.1\r\n" + HOST + b"\r\n", {400, 505}),
    "version of another name": (b"DELETE /kv/kept HTTQ/1.1\r\n" + HOST + b"\r\n", {400, 505}),
    "version of one digit": (b"DELETE /kv/kept HTTP/1\r\n" + HOST + b"\r\n", {400, 505}),
    "version of three digits": (b"DELETE /kv/kept HTTP/1.10\r\n" + HOST + b"\r\n", {400, 505}),
    "HTTP/0.9 by name": (b"DELETE /kv/kept HTTP/0.9\r\n" + HOST + b"\r\n", {505}),
    "HTTP/2 by name": (b"DELETE /kv/kept HTTP/2.0\r\n" + HOST + b"\r\n", {505}),
    "preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    "two empty lines": (b"\r\n\r\n" + HIDDEN, {400}),
    "empty line of a line feed": (b"\n" + HIDDEN, {400}),
    "long target": (get(b"/kv/" + b"a" * 9000), {414}),
    "endless target": (b"GET /" + b"a" * 100_000, {414}),
    # fields
    "blank before the first field": (b"DELETE /kv/kept HTTP/1.1\r\n X: a\r\n" + HOST + b"\r\n", {400}),
    "only blank before the first field": (b"DELETE /kv/kept HTTP/1.1\r\n \r\n" + HOST + b"\r\n", {400}),
    "blank behind a name": (PUT + b"Content-Length : 0\r\n\r\n", {400}),
    "tab behind a name": (PUT + b"Content-Length\t: 0\r\n\r\n", {400}),
    "chunked behind a blank": (PUT + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", {400}),
    "field of two lines": (PUT + b"X: a\r\n b\r\n\r\n", {400}),
    "length in a second line": (PUT + b"Content-Length:\r\n 3\r\n\r\nabc", {400}),
    "field of no colon": (PUT + b"X\r\n\r\n", {400}),
    "field of no name": (PUT + b": a\r\n\r\n", {400}),
    "name of odd characters": (PUT + b"X(y): a\r\n\r\n", {400}),
    "name beyond ASCII": (PUT + b"X\xe9: a\r\n\r\n", {400}),
    "NUL in a name": (PUT + b"Content-Length\0: 0\r\n\r\n", {400}),
    "NUL in a value": (PUT + b"X: a\0b\r\n\r\n", {400}),
    "NUL in Host": (b"DELETE /kv/kept HTTP/1.1\r\nHost: 127.0.0.1\0.evil.com\r\n\r\n", {400}),
    "a blank behind chunked": (PUT + b"Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n", {400}),
    "NUL behind chunked": (PUT + b"Transfer-Encoding: chunked\0x\r\n\r\n0\r\n\r\n", {400}),
    "NUL behind a length": (PUT + b"Content-Length: 0\0\r\n\r\n", {400}),
    "bare carriage return in a value": (PUT + b"X: a\rContent-Length: 0\r\n\r\n", {400}),
    "bare line feed behind a value": (PUT + b"X: a\nContent-Length: 0\r\n\r\n", {400}),
    "bare line feed as the end": (PUT + b"Content-Length: 0\r\n\n", {400}),
    "two carriage returns": (PUT + b"X: a\r\r\n\r\n", {400}),
    "escape in a value": (PUT + b"X: \x1b[0m\r\n\r\n", {400}),
    "many fields": (PUT + MANY_FIELDS + b"\r\n", {431}),
    "large field": (PUT + b"X: " + b"a" * 20_000 + b"\r\n\r\n", {431}),
    "endless fields": (PUT + b"X: a\r\n" * 20_000, {431}),
    "endless field": (PUT + b"X: " + b"a" * 100_000, {431}),
    "large cookies": (PUT + b"Cookie: " + b"a=b; " * 2000 + b"\r\n\r\n", {431}),
    "many parameters": (get(b"/kv?" + b"a=b&" * 300), {414, 431}),
    # Host
    "no Host": (b"DELETE /kv/kept HTTP/1.1\r\n\r\n", {400}),
    "no Host in HTTP/1.2": (b"DELETE /kv/kept HTTP/1.2\r\n\r\n", {400, 505}),
    "two Hosts": (b"DELETE /kv/kept HTTP/1.1\r\n" + HOST + b"Host: evil.example\r\n\r\n", {400}),
    "the same Host twice": (b"DELETE /kv/kept HTTP/1.1\r\n" + HOST + HOST + b"\r\n", {400}),
    "Host of two words": (b"DELETE /kv/kept HTTP/1.1\r\nHost: localhost evil\r\n\r\n", {400}),
    "Host of a list": (b"DELETE /kv/kept HTTP/1.1\r\nHost: localhost,evil\r\n\r\n", {400}),
    "Host with a user": (b"DELETE /kv/kept HTTP/1.1\r\nHost: evil@localhost\r\n\r\n", {400}),
    "Host with a path": (b"DELETE /kv/kept HTTP/1.1\r\nHost: localhost/a\r\n\r\n", {400}),
    # lengths
    "length with a plus": (PUT + b"Content-Length: +1\r\n\r\nx", {400}),
    "length with a minus": (PUT + b"Content-Length: -1\r\n\r\nx", {400}),
    "length of letters": (PUT + b"Content-Length: x\r\n\r\nx", {400}),
    "length and letters": (PUT + b"Content-Length: 1x\r\n\r\nx", {400}),
    "length in hexadecimal": (PUT + b"Content-Length: 0x1\r\n\r\nx", {400}),
    "length with a point": (PUT + b"Content-Length: 1.0\r\n\r\nx", {400}),
    "empty length": (PUT + b"Content-Length:\r\n\r\nx", {400}),
    "length of two numbers": (PUT + b"Content-Length: 1 1\r\n\r\nx", {400}),
    "length of a list": (PUT + b"Content-Length: 1, 1\r\n\r\nx", {400}),
    "length beyond 64 bits": (PUT + b"Content-Length: 18446744073709551617\r\n\r\nx", {400, 413}),
    "length of many digits": (PUT + b"Content-Length: 99999999999999999999999999\r\n\r\nx", {400, 413}),
    "length of 64 bits": (PUT + b"Content-Length: 18446744073709551615\r\n\r\nx", {413}),
    "two lengths": (PUT + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", {400}),
    "two lengths, the second none": (PUT + b"Content-Length: 1\r\nContent-Length: x\r\n\r\nx", {400}),
    "length and chunks": (PUT + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
    "chunks and length": (CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n", {400}),
    "chunks of HTTP/1.0": (b"PUT /kv/a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", {400}),
    "another coding": (PUT + b"Transfer-Encoding: gzip\r\n\r\nx", {400, 501}),
    "identity": (PUT + b"Transfer-Encoding: identity\r\nContent-Length: 1\r\n\r\nx", {400, 501}),
    "two codings": (PUT + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", {400, 501}),
    "chunked before another": (PUT + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", {400, 501}),
    "chunked twice": (PUT + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", {400}),
    "two fields of codings": (CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
    "a coding that only ends so": (PUT + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", {400, 501}),
    "chunked in quotes": (PUT + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n', {400, 501}),
    "chunked with a parameter": (PUT + b"Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n", {400, 501}),
    "chunked behind a vertical tab": (PUT + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", {400}),
    "no coding": (PUT + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n", {400, 501}),
    # chunks
    "chunks of line feeds": (CHUNKED + b"\r\n2\nhi\n0\n\n", {400}),
    "line feed behind a size": (CHUNKED + b"\r\n2\nhi\r\n0\r\n\r\n", {400}),
    "line feed behind data": (CHUNKED + b"\r\n2\r\nhi\n0\r\n\r\n", {400}),
    "line feed behind the last size": (CHUNKED + b"\r\n2\r\nhi\r\n0\n\r\n", {400}),
    "line feed as the end of chunks": (CHUNKED + b"\r\n2\r\nhi\r\n0\r\n\n", {400}),
    "line feed in an extension": (CHUNKED + b"\r\n2;a\nhi\r\n0\r\n\r\n", {400}),
    "carriage return in an extension": (CHUNKED + b"\r\n2;a\rb\r\nhi\r\n0\r\n\r\n", {400}),
    "NUL in an extension": (CHUNKED + b"\r\n2;a\0\r\nhi\r\n0\r\n\r\n", {400}),
    "endless extension": (CHUNKED + b"\r\n2;" + b"a" * 100_000, {400, 413, 431}),
    "size of a plus": (CHUNKED + b"\r\n+2\r\nhi\r\n0\r\n\r\n", {400}),
    "size of a minus": (CHUNKED + b"\r\n-2\r\nhi\r\n0\r\n\r\n", {400}),
    "size of 0x": (CHUNKED + b"\r\n0x2\r\nhi\r\n0\r\n\r\n", {400}),
    "size of a blank": (CHUNKED + b"\r\n 2\r\nhi\r\n0\r\n\r\n", {400}),
    "blank behind a size": (CHUNKED + b"\r\n2 \r\nhi\r\n0\r\n\r\n", {400}),
    "size of a letter": (CHUNKED + b"\r\ng\r\nhi\r\n0\r\n\r\n", {400}),
    "no size": (CHUNKED + b"\r\n\r\nhi\r\n0\r\n\r\n", {400}),
    "no size but an extension": (CHUNKED + b"\r\n;a\r\nhi\r\n0\r\n\r\n", {400}),
    "size beyond 64 bits": (CHUNKED + b"\r\n10000000000000002\r\nhi\r\n0\r\n\r\n", {400, 413}),
    "data longer than its size": (CHUNKED + b"\r\n2\r\nhihi\r\n0\r\n\r\n", {400}),
    "data shorter than its size": (CHUNKED + b"\r\n4\r\nhi\r\n0\r\n\r\n", {400}),
    "trailer without a colon": (CHUNKED + b"\r\n2\r\nhi\r\n0\r\nX\r\n\r\n", {400}),
    "trailer of two lines": (CHUNKED + b"\r\n2\r\nhi\r\n0\r\nX: a\r\n b\r\n\r\n", {400}),
    "blank trailer": (CHUNKED + b"\r\n2\r\nhi\r\n0\r\n X: a\r\n\r\n", {400}),
    "trailer with a NUL": (CHUNKED + b"\r\n2\r\nhi\r\n0\r\nX: a\0\r\n\r\n", {400}),
    "endless trailer": (CHUNKED + b"\r\n2\r\nhi\r\n0\r\n" + b"X: a\r\n" * 20_000, {400, 413, 431}),
    # others
    "another expectation": (PUT + b"Expect: 200-ok\r\nContent-Length: 1\r\n\r\nx", {417}),
    "a list of expectations": (PUT + b"Expect: x, 100-continue\r\nContent-Length: 1\r\n\r\nx", {417}),
    "Redis": (b"*1\r\n$4\r\nPING\r\n", {400}),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", {400}),
}  # fmt: skip

# The statuses of all answers, that of HIDDEN not among them: it is served.
TAKEN = {
    "plain": (PUT + b"Content-Length: 1\r\n\r\nx", [200]),
    "HTTP/1.2": (b"PUT /kv/a HTTP/1.2\r\n" + HOST + b"Content-Length: 1\r\n\r\nx", [200]),
    "one empty line": (b"\r\n" + PUT + b"Content-Length: 1\r\n\r\nx", [200]),
    "no blank behind a colon": (b"PUT /kv/a HTTP/1.1\r\nHost:localhost\r\nContent-Length:1\r\n\r\nx", [200]),
    "blanks around values": (b"PUT /kv/a HTTP/1.1\r\nHost: \t localhost \t\r\nContent-Length: \t 1\r\nX:   \r\n\r\nx", [200]),
    "empty field": (PUT + b"X:\r\nContent-Length: 1\r\n\r\nx", [200]),
    "odd names": (PUT + b"!#$%&'*+-.^_`|~: a\r\nContent-Length: 1\r\n\r\nx", [200]),
    "values beyond ASCII": (PUT + b"X: \xc3\xa9\xff\r\nContent-Length: 1\r\n\r\nx", [200]),
    "a length with zeros": (PUT + b"Content-Length: 0001\r\n\r\nx", [200]),
    "chunks": (CHUNKED + b"\r\n1\r\nx\r\n0\r\n\r\n", [200]),
    "chunked in large letters": (PUT + b"Transfer-Encoding: CHUNKED\r\n\r\n1\r\nx\r\n0\r\n\r\n", [200]),
    "sizes with zeros": (CHUNKED + b"\r\n0001\r\nx\r\n000\r\n\r\n", [200]),
    "sizes in hexadecimal": (CHUNKED + b"\r\nA\r\n0123456789\r\n1a\r\n" + b"x" * 26 + b"\r\n0\r\n\r\n", [200]),
    "extensions": (CHUNKED + b'\r\n1;a=b;c="d e"\r\nx\r\n0;z\r\n\r\n', [200]),
    "trailers": (CHUNKED + b"\r\n1\r\nx\r\n0\r\nX: a\r\nContent-Length: 100\r\nHost: evil\r\n\r\n", [200]),
    "data that look like a request": (PUT + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN, [200]),
    "chunks that look like a request": (CHUNKED + b"\r\n%x\r\n" % len(HIDDEN) + HIDDEN + b"\r\n0\r\n\r\n", [200]),
    "data with NULs and line feeds": (PUT + b"Content-Length: 6\r\n\r\n\0\r\n\r\n\n", [200]),
    "the whole target": (b"PUT http://localhost/kv/a HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\n\r\nx", [200]),
    "a whole target of another place": (get(b"http://evil.example/kv/kept"), [403]),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", [404]),
    "a NUL encoded": (b"PUT /kv/a%00 HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\n\r\nx", [400]),
    "dots": (get(b"/kv/../kv/kept"), [400]),
    "dots encoded": (get(b"/kv/%2e%2E/kv/kept"), [400]),
    "slash encoded": (b"DELETE /kv%2fkept HTTP/1.1\r\n" + HOST + b"\r\n", [404]),
    "dots behind an encoded slash": (b"DELETE /kv/x%2f..%2fkept HTTP/1.1\r\n" + HOST + b"\r\n", [400]),
    "two slashes": (b"DELETE //kv/kept HTTP/1.1\r\n" + HOST + b"\r\n", [404]),
    "the target encoded": (b"DELETE /k%76/other HTTP/1.1\r\n" + HOST + b"\r\n", [404]),
    "expectation": (PUT + b"Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx", [100, 200]),
    "upgrade": (get(b"/kv/kept").replace(b"\r\n\r\n", b"\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n"), [200]),
    "unknown method": (b"BREW /kv/kept HTTP/1.1\r\n" + HOST + b"\r\n", [405]),
    "method in small letters": (b"delete /kv/kept HTTP/1.1\r\n" + HOST + b"\r\n", [405]),
    "a refusal with a body that is read": (b"PUT /nothing HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN, [404]),
    "a full head": (PUT + b"X: " + b"a" * 7000 + b"\r\nContent-Length: 1\r\n\r\nx", [200]),
    "a long target": (get(b"/kv/" + b"a" * 7000), [404]),
    "many together": (get(b"/kv/kept") * 100, [200] * 100),
}  # fmt: skip


def ways(table):
    """Each in one piece, in several, and byte by byte if it is not too long."""
    return [(name, pieces) for name, (data, _) in table.items() for pieces in (1, 7, len(data)) if pieces <= 2000]


@pytest.fixture(scope="module")
def strict_server(server_binary):
    server = Server(server_binary, **web_directives(), http_timeout=0, appendonly="no").start()
    yield server
    server.remove()


@pytest.fixture
def web(strict_server):
    web = Web(strict_server)
    web.server = strict_server
    assert web.ask("PUT", "/kv/kept", b"1")[0] == 200
    return web


def answers_of(raw):
    """All that come until the end; a stray byte is an error."""
    answers = []
    whole = raw.read_until_closed()
    raw.socket.close()
    parsed = type("Parsed", (RawWeb,), {"__init__": lambda self: None, "_more": None})()
    parsed.received = whole
    while parsed.received:
        assert b"\r\n\r\n" in parsed.received, whole
        answer = parsed.read()
        answers.append(answer)
    return answers


def ask(web, data, pieces=1):
    """What is answered to bytes that come in so many pieces, the last of which ends in the client's end."""
    raw = RawWeb(web.server)
    size = max(1, len(data) // pieces)
    try:
        for at in range(0, len(data), size):
            raw.send(data[at : at + size])
        raw.socket.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # refused, and closed
    return answers_of(raw)


def check_refusal(answer, statuses):
    assert answer.status in statuses, answer
    assert answer.fields["connection"] == "close"
    assert answer.fields["content-type"] == "text/plain; charset=utf-8"
    assert answer.body.endswith(b"\n") and answer.body.count(b"\n") == 1 and b"<" not in answer.body


@pytest.mark.parametrize("before", [b"", request("GET", "/kv/kept")], ids=["first", "second"])
@pytest.mark.parametrize("name,pieces", ways(REFUSED))
def test_refused(web, name, before, pieces):
    """One line of text with the right status, then the end; nothing of it is done, nor what stands behind it."""
    data, statuses = REFUSED[name]
    *good, last = ask(web, before + data + HIDDEN, pieces)
    assert [answer.status for answer in good] == [200] * bool(before)
    check_refusal(last, statuses)
    assert web.ask("GET", "/kv/kept")[2] == b"1"
    assert web.ask("GET", "/kv/a")[0] == web.ask("GET", "/kv/nn")[0] == 404


@pytest.mark.parametrize("name,pieces", ways(TAKEN))
def test_taken(web, name, pieces):
    """What is right is not refused, and ends where it ends: the next request is served."""
    data, statuses = TAKEN[name]
    answers = ask(web, data + HIDDEN, pieces)
    assert [answer.status for answer in answers] == [*statuses, 200]
    assert web.ask("GET", "/kv/kept")[0] == 404
    web.ask("DELETE", "/kv/a")
