"""RESP2 and RESP3 from the client's side, down to the bytes.

Tests compare what a server really sent, so a reply is kept as the bytes it came as; `parse` turns those into Python
values. No client library gives both.
"""

import socket
import time

CRLF = b"\r\n"
BULKS = b"$!="
ARRAYS = b"*~>"
MAPS = b"%|"


class Error(bytes):
    """An error reply, without its leading '-'."""

    @property
    def code(self):
        return self.split(b" ", 1)[0].decode("latin-1")


class Status(bytes):
    """A simple string, without its leading '+'."""


class Push(list):
    """An out-of-band message of RESP3."""


class Verbatim(bytes):
    """A verbatim string of RESP3, without its format and colon."""


class Closed(ConnectionError):
    """The server closed the connection where a reply was expected."""


def as_bytes(argument):
    if isinstance(argument, (bytes, bytearray)):
        return bytes(argument)
    if isinstance(argument, str):
        return argument.encode()
    return str(argument).encode()


def encode(*arguments):
    """The canonical form of a command: an array of bulk strings."""
    arguments = [as_bytes(argument) for argument in arguments]
    return b"*%d\r\n" % len(arguments) + b"".join([b"$%d\r\n%b\r\n" % (len(a), a) for a in arguments])


def encode_inline(arguments):
    """The same as a line of text, every argument quoted so that any byte survives."""
    return b" ".join([b'"%b"' % b"".join([_quoted(byte) for byte in a]) for a in arguments]) + CRLF


def _quoted(byte):
    if 0x20 <= byte < 0x7F and byte not in b'"\\':
        return b"%c" % byte
    return b"\\x%02x" % byte


def reply_end(data, start=0):
    """Where the reply that begins at start ends; -1 when it has not arrived completely."""
    position = start
    wanted = 1
    size = len(data)
    while wanted:
        line_end = data.find(CRLF, position)
        if line_end < 0:
            return -1
        kind = data[position]
        wanted -= 1
        if kind in BULKS:
            length = int(data[position + 1 : line_end])
            position = line_end + 2 + (length + 2 if length >= 0 else 0)
            if position > size:
                return -1
            continue
        if kind in ARRAYS:
            wanted += max(0, int(data[position + 1 : line_end]))
        elif kind in MAPS:
            wanted += 2 * int(data[position + 1 : line_end]) + (kind == ord("|"))
        position = line_end + 2
    return position


def parse(data):
    """The value of exactly one complete reply."""
    value, end = _parse(data, 0)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes follow the reply {data[:80]!r}")
    return value


def parse_all(data):
    """The values of a whole number of replies."""
    values = []
    position = 0
    while position < len(data):
        value, position = _parse(data, position)
        values.append(value)
    return values


def _parse(data, position):
    line_end = data.index(CRLF, position)
    kind = chr(data[position])
    text = bytes(data[position + 1 : line_end])
    position = line_end + 2
    if kind in SIMPLE:
        return SIMPLE[kind](text), position
    length = int(text)
    if kind in "$!=":
        if length < 0:
            return None, position
        body = bytes(data[position : position + length])
        position += length + 2
        return (Error(body) if kind == "!" else Verbatim(body[4:]) if kind == "=" else body), position
    if kind in "*~>":
        if length < 0:
            return None, position
        items, position = _parse_items(data, position, length)
        return (Push(items) if kind == ">" else items), position
    if kind == "%":
        items, position = _parse_items(data, position, 2 * length)
        return dict(zip(items[::2], items[1::2])), position
    raise ValueError(f"not a RESP type: {kind!r}")


def _parse_items(data, position, count):
    items = []
    for _ in range(count):
        item, position = _parse(data, position)
        items.append(item)
    return items, position


SIMPLE = {
    "+": Status,
    "-": Error,
    ":": int,
    "_": lambda text: None,
    "#": lambda text: text == b"t",
    ",": float,
    "(": int,
}


def pairs(reply):
    """A map as a dict, whichever protocol it came by (RESP2 sends a flat array)."""
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2]))


class Connection:
    """One socket. Every wait has an end: a server that does not answer fails the test instead of hanging it."""

    def __init__(self, address, timeout=30):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, *arguments):
        self.socket.sendall(encode(*arguments))

    def send_bytes(self, data):
        self.socket.sendall(data)

    def read_raw(self):
        """The bytes of the next reply."""
        end = reply_end(self.buffer) if self.buffer else -1
        while end < 0:
            received = self.socket.recv(1 << 20)
            if not received:
                raise Closed(f"connection closed; unfinished reply: {bytes(self.buffer[:200])!r}")
            self.buffer += received
            if len(received) < 1 << 16 or self.buffer[0] not in b"$" or self._bulk_is_here():
                end = reply_end(self.buffer)
        raw = bytes(self.buffer[:end])
        del self.buffer[:end]
        return raw

    def _bulk_is_here(self):
        line_end = self.buffer.find(CRLF)
        return line_end > 0 and len(self.buffer) >= line_end + 4 + int(self.buffer[1:line_end])

    def read(self):
        return parse(self.read_raw())

    def raw(self, *arguments):
        """Sends a command; the bytes of its reply."""
        self.send(*arguments)
        return self.read_raw()

    def call(self, *arguments):
        """Sends a command; the value of its reply (errors are values too)."""
        return parse(self.raw(*arguments))

    def pipeline(self, commands):
        """Sends commands in one go; the values of their replies."""
        self.send_bytes(b"".join([encode(*command) for command in commands]))
        return [self.read() for _ in commands]

    def read_until_closed(self):
        """Everything the server sends before it closes the connection."""
        received = bytes(self.buffer)
        self.buffer.clear()
        while True:
            try:
                more = self.socket.recv(1 << 16)
            except ConnectionResetError:
                return received
            if not more:
                return received
            received += more

    def is_silent(self, seconds=0.1):
        """Whether nothing arrives for a while: for replies that must not come."""
        if self.buffer:
            return False
        timeout = self.socket.gettimeout()
        self.socket.settimeout(seconds)
        try:
            received = self.socket.recv(1 << 16)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(timeout)
        self.buffer += received
        return False


def wait_until(condition, seconds=30, pause=0.005):
    """Polls; the condition's first true value. Fails loudly when the time is up."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {getattr(condition, '__doc__', None) or condition}")
        time.sleep(pause)
