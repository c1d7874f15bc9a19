"""HTTP to a server under test, one connection a request."""

import base64
import http.client
import json
import socket

from harness.server import free_port


class Web:
    """A server's HTTP side: web.get("/stats"). The server is started with web_directives()."""

    def __init__(self, server, user=None, password=None):
        self.port = int(server.directives["http-port"])
        self.url = f"http://127.0.0.1:{self.port}"
        self.headers = {}
        if password is not None:
            told = base64.b64encode(f"{user or 'default'}:{password}".encode()).decode()
            self.headers["Authorization"] = f"Basic {told}"

    def ask(self, method, path, body=None, **headers):
        """(status, header fields, bytes)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, {**self.headers, **named})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def get(self, path):
        """The text of an answer of 200."""
        status, _, body = self.ask("GET", path)
        assert status == 200, (path, status, body)
        return body.decode()

    def stats(self):
        return json.loads(self.get("/stats"))


def web_directives():
    return {"http_port": free_port(), "http_bind": "127.0.0.1"}


class Answer:
    """status, fields (by name in lower case) and body."""

    def __init__(self, status, fields, body):
        self.status = status
        self.fields = fields
        self.body = body

    def __repr__(self):
        return f"Answer({self.status}, {self.fields}, {self.body[:80]!r})"


class RawWeb:
    """A connection whose every byte the test chooses."""

    def __init__(self, server, timeout=30):
        self.socket = socket.create_connection(("127.0.0.1", int(server.directives["http-port"])), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def _more(self):
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError(f"closed after {self.received!r}")
        self.received += piece

    def read_head(self):
        while b"\r\n\r\n" not in self.received:
            self._more()
        head, self.received = self.received.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin1").split("\r\n")
        fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        return int(first.split()[1]), fields

    def read(self, has_body=True):
        """The next answer."""
        status, fields = self.read_head()
        size = int(fields.get("content-length", 0)) if has_body and status >= 200 and status != 304 else 0
        while len(self.received) < size:
            self._more()
        body, self.received = self.received[:size], self.received[size:]
        return Answer(status, fields, body)

    def is_silent(self, seconds=0.1):
        """Whether nothing arrives for a while: for answers that must not come."""
        timeout = self.socket.gettimeout()
        self.socket.settimeout(seconds)
        try:
            self._more()
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(timeout)
        return False

    def read_until_closed(self):
        try:
            while True:
                self._more()
        except ConnectionError:
            return self.received


def request(method, path, body=b"", version="HTTP/1.1", **fields):
    """The bytes of one."""
    lines = [f"{method} {path} {version}", "Host: localhost"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
