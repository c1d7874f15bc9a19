"""HTTP to a server under test, one connection a request."""

import base64
import http.client
import json

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
