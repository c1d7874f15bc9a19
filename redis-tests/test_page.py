"""The live page in a real browser: it loads, moves, and its key browser does what it says."""

import base64
import contextlib
import hashlib
import http.server
import json
import re
import threading
import warnings

import pytest
from harness.browser import Browser, Tab, find_browser
from harness.resp import wait_until
from harness.web import Web, web_directives

pytestmark = pytest.mark.dkv("HTTP")

HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>'


@pytest.fixture(scope="module")
def program():
    found = find_browser()
    if found is None:
        why = "NO BROWSER: chromium is not installed, so NOTHING OF THE LIVE PAGE IS TESTED (deps/install.sh test)"
        warnings.warn(pytest.PytestWarning(why))  # a skip alone is only a letter
        pytest.skip(why)
    opened = Browser(found)
    yield opened
    opened.close()


@pytest.fixture
def browser(program):
    opened = Tab(program)
    yield opened
    opened.close()


@pytest.fixture
def watched(start_server):
    return start_server(**web_directives(), http_timeout=0)


@contextlib.contextmanager
def page_served(text):
    """A page from elsewhere: its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as elsewhere:
        threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{elsewhere.server_address[1]}/"
        elsewhere.shutdown()


def is_good(browser):
    browser.wait("document.querySelector('#status').dataset.state === 'good'")


def tile(browser, label):
    """Its value as it is shown, unit included."""
    return browser.run(
        f"""[...document.querySelectorAll('.tile')].find(tile => tile.querySelector('dt').textContent === '{label}')
            .querySelector('.value').textContent"""
    )


def chart_label(browser, title):
    return browser.run(
        f"""[...document.querySelectorAll('.chart')].find(chart => chart.querySelector('h3').textContent === '{title}')
            .querySelector('canvas').getAttribute('aria-label')"""
    )


def write_key(browser, key, value, ttl=""):
    browser.click("#new-key")
    for selector, text in (("#key", key), ("#value", value), ("#ttl", ttl)):
        browser.type(selector, text)
    browser.click("#save")


def wait_note(browser, words):
    browser.wait(f"document.querySelector('#editor-note').textContent.includes({words!r})")


def wait_keys(browser, names):
    """Until these are the keys of the list, in any order."""
    shown = "[...document.querySelectorAll('#key-list button')].map(button => button.textContent).sort()"
    browser.wait(f"JSON.stringify({shown}) === JSON.stringify({json.dumps(sorted(names))}.sort())")


class Load(threading.Thread):
    """Sets and gets in pipelines until it is told to stop."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.ended = threading.Event()

    def run(self):
        with self.server.connect() as connection:
            while not self.ended.is_set():
                connection.pipeline([(name, f"load:{i}", *value) for i in range(50) for name, *value in (("SET", "x" * 100), ("GET",))])

    def stop(self):
        self.ended.set()
        self.join(30)


# --- the document -----------------------------------------------------------------------------------------------------


def test_policy_names_style_and_script(watched):
    """Shows: what the policy allows is exactly the page's own style and script, and nothing on it comes from
    elsewhere. A browser would refuse to run a script whose digest is not the policy's."""
    status, fields, body = Web(watched).ask("GET", "/")
    assert (status, fields["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = dict(part.strip().split(" ", 1) for part in fields["Content-Security-Policy"].split(";"))
    for directive, tag in (("style-src", b"style"), ("script-src", b"script")):
        inside = re.findall(b"<%s>(.*?)</%s>" % (tag, tag), body, re.DOTALL)
        assert len(inside) == 1
        digest = base64.b64encode(hashlib.sha256(inside[0]).digest()).decode()
        assert policy[directive] == f"'sha256-{digest}'"
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert fields["X-Content-Type-Options"] == "nosniff"
    addresses = re.findall(rb"""(?:https?:)?//[a-z0-9.]+\.[a-z]+[^\s'"]*""", body)
    assert set(addresses) <= {b"http://www.w3.org/2000/svg"}, addresses
    assert b"innerHTML" not in body and b"insertAdjacent" not in body and b"document.write" not in body


# --- figures ----------------------------------------------------------------------------------------------------------


def test_loads_and_moves_under_load(watched, browser):
    """Shows: the page loads without a word on the console, asks nobody but its server, and its figures follow the
    load: from nothing to something and back."""
    browser.shape(1280, 900)
    browser.open(Web(watched).url + "/")
    is_good(browser)
    browser.wait("dkv.view.samples.length > 2")
    assert tile(browser, "Keys") == "0"
    load = Load(watched)
    load.start()
    try:
        browser.wait("dkv.view.samples.slice(-2).every(sample => sample.ops > 100 && sample.syncs > 0 && sample.waitP99 > 0)")
        first = tile(browser, "Commands")
        assert first.endswith("/s") and first != "0/s"
        browser.wait(f"document.querySelector('.tile .value').textContent !== {first!r}", seconds=5)
        assert tile(browser, "Keys") == "50"
        assert "–" not in tile(browser, "Write p99") and "–" not in tile(browser, "Sync p99")
        assert re.search(r"all [\d.,]+.*reads [\d.,]+.*writes [\d.,]+", chart_label(browser, "Throughput"))
        assert re.search(r"p50 [\d.]+.[num]?µ?s, p99 [\d.]+.[num]?µ?s", chart_label(browser, "Sync latency"))
        rows = browser.run("[...document.querySelectorAll('#commands tr')].map(row => row.children[0].textContent)")
        assert {"set", "get"} <= set(rows)
        with watched.connect() as connection:
            connection.call("BGREWRITEAOF")
        browser.wait("dkv.view.samples.some(sample => sample.rewritesEnded > 0)")
    finally:
        load.stop()
    browser.wait("dkv.view.samples.at(-1).ops < 10")
    # Something is drawn: not one colour only.
    colours = browser.run(
        """(() => {
            const canvas = document.querySelector('.chart canvas');
            const data = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer);
            return new Set(data).size;
        })()"""
    )
    assert colours > 20
    assert browser.complaints == []
    assert {url.split("?")[0] for url in browser.requested} <= {Web(watched).url + path for path in ("/", "/stats", "/kv")}


def test_many_operations_stay_readable(watched, browser):
    """Shows: a hundred thousand a second are told short, and an hour of seconds is drawn in no time (mostly some milliseconds).
    The samples are made up: it is the page that is tested, not this machine."""
    browser.shape(1280, 900)
    browser.open(Web(watched).url + "/")
    is_good(browser)
    browser.run(
        """globalThis.fill = () => {
            const last = dkv.view.samples.at(-1);
            dkv.view.samples.length = 0;
            for (let i = 0; i < 3600; i++)
                dkv.view.samples.push(Object.assign({}, last, { gap: false, number: i, t: dkv.now() - 3600 + i, ops: 1e5 + 5e4 * Math.sin(i / 60),
                    reads: 6e4, writes: 4e4, p50: 1, p99: 10 + i % 7, p999: 200, waitP50: 300, waitP99: 900, waitP999: 3000, syncs: 900, syncP50: 300, syncP99: 900, syncP999: 4000 }));
        };
        fill();
        document.querySelectorAll('input[name=range]')[2].click();"""
    )
    browser.wait("dkv.view.seconds === 3600")
    # Filled, drawn and read at once: no sample of the idle server comes in between.
    drawn = browser.run(
        """(() => {
            fill();
            const begin = performance.now();
            for (const chart of dkv.charts) chart.draw();
            return { took: performance.now() - begin,
                label: [...document.querySelectorAll('.chart')].find(chart => chart.querySelector('h3').textContent === 'Throughput')
                    .querySelector('canvas').getAttribute('aria-label') };
        })()"""
    )
    assert drawn["took"] < 5000, f"{drawn['took']} ms for all charts: not drawn point by point, surely"
    assert re.search(r"all \d+(\.\d+)?.k", drawn["label"])
    assert browser.complaints == []


@pytest.mark.parametrize("width, dark", [(390, False), (390, True), (320, True), (768, False), (1920, True)])
def test_fits_the_screen(watched, browser, width, dark):
    """Shows: nothing sticks out to the side on any screen, and dark mode is dark."""
    browser.shape(width, 800, dark=dark, phone=width < 500)
    browser.open(Web(watched).url + "/")
    is_good(browser)
    assert browser.run("document.documentElement.scrollWidth") <= width
    ground = browser.run("getComputedStyle(document.body).backgroundColor")
    brightness = sum(map(int, re.findall(r"\d+", ground)[:3])) / 3
    assert brightness < 60 if dark else brightness > 200
    assert browser.complaints == []


def test_buttons_stay_where_they_are(watched, browser):
    """Shows: what is asked for and told meanwhile moves no button from under the pointer."""
    browser.shape(1280, 900)
    browser.open(Web(watched).url + "/")
    is_good(browser)
    browser.wait("document.querySelectorAll('#commands tr').length > 0")

    def height():
        return browser.run("document.querySelector('#save').getBoundingClientRect().top + window.scrollY")

    before = height()
    with watched.connect() as connection:
        for name in ("SET", "GET", "DEL", "TTL", "TYPE", "INCR", "EXISTS", "STRLEN", "TOUCH", "PERSIST", "APPEND", "GETDEL", "UNLINK"):
            connection.call(name, "a", *["b"] * (name in ("SET", "APPEND")))
    browser.wait("document.querySelector('#commands-note').textContent.includes(' more. ')")
    assert height() == before
    write_key(browser, "b", "new")
    wait_note(browser, "Put, durably")
    assert height() == before


def test_everything_has_a_name(watched, browser):
    """Shows: what can be read aloud or tabbed to says what it is: fields, buttons and charts have accessible names."""
    browser.open(Web(watched).url + "/")
    is_good(browser)
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    checked = 0
    for node in nodes:
        role = node.get("role", {}).get("value")
        if node.get("ignored") or role not in ("button", "textbox", "searchbox", "spinbutton", "radio", "image", "link", "table"):
            continue
        if role == "table":
            continue
        checked += 1
        assert node.get("name", {}).get("value"), node
    assert checked > 15


# --- keys -------------------------------------------------------------------------------------------------------------


def test_put_get_ttl_delete(watched, browser):
    """Shows: what is put in the page is there for a RESP client, with its time to live; what a RESP client changes is
    seen in the page; a delete asks once and then deletes."""
    browser.shape(1280, 1000)
    browser.open(Web(watched).url + "/")
    is_good(browser)
    with watched.connect() as connection:
        write_key(browser, "greeting", "grüß\nGott", ttl="100")
        wait_note(browser, "Put, durably")
        assert connection.call("GET", "greeting") == "grüß\nGott".encode()
        assert 90 <= connection.call("TTL", "greeting") <= 100
        wait_keys(browser, ["greeting"])

        browser.type("#ttl", "5000")
        browser.click("#set-ttl")
        wait_note(browser, "time to live now")
        assert 4990 <= connection.call("TTL", "greeting") <= 5000
        assert connection.call("GET", "greeting") == "grüß\nGott".encode()
        browser.type("#ttl", "")
        browser.click("#set-ttl")
        wait_note(browser, "for ever")
        assert connection.call("TTL", "greeting") == -1

        connection.call("SET", "greeting", "changed")
        browser.type("#value", "mine")
        browser.click("#save")
        wait_note(browser, "Somebody changed it")
        assert connection.call("GET", "greeting") == b"changed"
        browser.click("#reload")
        browser.wait("document.querySelector('#value').value === 'changed'")

        browser.click("#delete")
        browser.wait("document.querySelector('#delete').textContent === 'Really delete?'")
        assert connection.call("EXISTS", "greeting") == 1
        browser.click("#delete")
        wait_note(browser, "deleted, durably")
        assert connection.call("EXISTS", "greeting") == 0
        wait_keys(browser, [])

        connection.call("SET", "taken", "old")
        write_key(browser, "taken", "new")
        wait_note(browser, "such a key already")
        assert connection.call("GET", "taken") == b"old"
        browser.click("#save")
        wait_note(browser, "Put, durably")
        assert connection.call("GET", "taken") == b"new"


def test_notes_stay(watched, browser):
    """Shows: while the time to live is counted down, what was done, and that the next press would overwrite what somebody
    else wrote, stays to be read."""
    browser.shape(1280, 1000)
    browser.open(Web(watched).url + "/")
    is_good(browser)

    def two_seconds_pass():
        left = browser.text("#ttl-note")
        assert "expires in" in left
        for _ in range(2):
            browser.wait(f"document.querySelector('#ttl-note').textContent !== {left!r}")
            left = browser.text("#ttl-note")

    write_key(browser, "a", "1", ttl="500")
    wait_note(browser, "Put, durably")
    two_seconds_pass()
    assert "Put, durably" in browser.text("#editor-note")
    with watched.connect() as connection:
        connection.call("SET", "a", "2", "KEEPTTL")
    browser.click("#save")
    wait_note(browser, "Somebody changed it")
    two_seconds_pass()
    assert "Somebody changed it" in browser.text("#editor-note")
    browser.click("#new-key")
    assert browser.text("#ttl-note") == "empty: for ever"


def press(browser, key, code):
    for kind in ("keyDown", "keyUp"):
        more = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
        browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more)


def test_by_keyboard(watched, browser):
    """Shows: keys are opened one after the other with the keyboard alone; the focus stays where it was in their list."""
    with watched.connect() as connection:
        connection.call("MSET", "a", "1", "b", "2", "c", "3")
    browser.shape(1280, 1000)
    browser.open(Web(watched).url + "/")
    is_good(browser)
    wait_keys(browser, ["a", "b", "c"])
    browser.run("document.querySelector('#key-list button').focus()")
    for value in ("1", "2", "3"):
        press(browser, "Enter", 13)
        browser.wait(f"document.querySelector('#value').value === {value!r}")
        assert browser.run("document.activeElement.getAttribute('aria-current')") == "true"
        press(browser, "Tab", 9)
    assert browser.complaints == []


def test_slow_commands_can_be_copied(watched, browser):
    """Shows: what is selected among the slow commands stays so while no other comes."""
    with watched.connect() as connection:
        connection.call("CONFIG", "SET", "slowlog-log-slower-than", "0")
        connection.call("SET", "a", "to be copied")
        connection.call("CONFIG", "SET", "slowlog-log-slower-than", "-1")
        browser.shape(1280, 1000)
        browser.open(Web(watched).url + "/")
        is_good(browser)
        browser.wait("document.querySelectorAll('#slow tr').length === 2")
        browser.run("getSelection().selectAllChildren(document.querySelector('#slow')); true")
        samples = browser.run("dkv.view.samples.at(-1).number")
        browser.wait(f"dkv.view.samples.at(-1).number > {samples} + 2")
        assert "to be copied" in browser.run("getSelection().toString()")
        connection.call("CONFIG", "SET", "slowlog-log-slower-than", "0")
        connection.call("SET", "b", "another")
        connection.call("CONFIG", "SET", "slowlog-log-slower-than", "-1")
        browser.wait("document.querySelector('#slow').textContent.includes('another')")


def test_find_by_prefix(watched, browser):
    """Shows: keys are found by what they begin with, patterns' letters meant as they are, a page at a time."""
    with watched.connect() as connection:
        for i in range(250):
            connection.call("SET", f"user:{i:03}", "x")
        connection.call("SET", "*star", "x")
    browser.shape(1280, 1000)
    browser.open(Web(watched).url + "/")
    is_good(browser)
    browser.wait("document.querySelectorAll('#key-list button').length >= 100")
    assert not browser.run("document.querySelector('#more').hidden")
    browser.type("#prefix", "*")
    browser.wait("document.querySelectorAll('#key-list button').length === 1")
    wait_keys(browser, ["*star"])
    browser.type("#prefix", "user:24")
    browser.wait("document.querySelectorAll('#key-list button').length === 10")
    browser.type("#prefix", "nobody")
    browser.wait("document.querySelector('#key-note').textContent.includes('No keys')")


def test_hostile_keys_and_values_are_text(start_server, browser):
    """Shows: markup in keys, values, client names and commands is shown as it is and never becomes part of the page."""
    watched = start_server(http_any_key="yes", slowlog_log_slower_than="0", **web_directives())
    with watched.connect() as connection:
        connection.call("SET", HOSTILE, HOSTILE)
        connection.call("SET", b"\xff\xfe<b>", b"\x00\x01<script>")
    browser.shape(1280, 1000)
    browser.open(Web(watched).url + "/")
    is_good(browser)
    browser.wait("document.querySelectorAll('#key-list button').length === 2")
    wait_keys(browser, [HOSTILE, "\\xff\\xfe<b>"])
    for which, shown in ((HOSTILE, HOSTILE), ("\\xff\\xfe<b>", "00 01 3c 73")):
        browser.run(f"[...document.querySelectorAll('#key-list button')].find(button => button.textContent === {which!r}).click()")
        browser.wait(f"document.querySelector('#value').value.includes({shown!r})")
    browser.wait("[...document.querySelectorAll('#slow .words')].some(cell => cell.textContent.includes('<script>'))")
    assert browser.run("document.querySelectorAll('img').length") == 0
    assert browser.run("document.querySelectorAll('script').length") == 1
    assert browser.run("document.title") == "dkv"
    with pytest.raises(Exception, match="TrustedHTML"):
        browser.run("document.body.innerHTML = '<b>x</b>'")
    assert [one for one in browser.complaints if "TrustedHTML" not in one and "Trusted" not in one] == []


def test_pages_from_elsewhere_cannot_run_values(watched, browser):
    """Shows: a page from elsewhere gets nothing of a value that it names as a script or an image, for which browsers do
    not tell who asks."""
    web = Web(watched)
    assert web.ask("PUT", "/kv/script", b"window.stolen = 'secret'")[0] == 200
    assert web.ask("PUT", "/kv/image", b"<svg xmlns='http://www.w3.org/2000/svg' width='5' height='5'/>")[0] == 200
    page = f"""<script src='{web.url}/kv/script' onload='window.ran = true' onerror='window.ran = false'></script>
               <img src='{web.url}/kv/image' onload='window.drawn = true' onerror='window.drawn = false'>"""
    with page_served(page) as url:
        browser.open(url)
        browser.wait("window.ran !== undefined && window.drawn !== undefined")
        assert browser.run("[window.ran, window.drawn, typeof window.stolen]") == [False, False, "undefined"]


def test_large_and_binary_values_are_not_spoilt(watched, browser):
    """Shows: of a large value a part is fetched and nothing can be overwritten with it; what is no text cannot be
    either, but its time to live can be set with its bytes as they were."""
    binary = bytes(range(256)) * 4
    with watched.connect() as connection:
        connection.call("SET", "large", "x" * 1_000_000)
        connection.call("SET", "binary", binary)
        browser.shape(1280, 1000)
        browser.open(Web(watched).url + "/")
        is_good(browser)
        browser.wait("document.querySelectorAll('#key-list button').length === 2")
        browser.run("[...document.querySelectorAll('#key-list button')].find(button => button.textContent === 'large').click()")
        browser.wait("document.querySelector('#value').value.length === 65536")
        assert browser.run("document.querySelector('#save').disabled && document.querySelector('#set-ttl').disabled")
        assert "first 64" in browser.text("#value-note")
        browser.run("[...document.querySelectorAll('#key-list button')].find(button => button.textContent === 'binary').click()")
        browser.wait("document.querySelector('#value').value.startsWith('000000  00 01 02')")
        assert browser.run("document.querySelector('#save').disabled")
        browser.type("#ttl", "60")
        browser.click("#set-ttl")
        wait_note(browser, "time to live now")
        assert connection.call("GET", "binary") == binary
        assert 50 <= connection.call("TTL", "binary") <= 60


def test_odd_keys_and_values(watched, browser):
    """Shows: the value that is opened is the key's: an empty one is empty, and a key whose name is a folder's to browsers
    is not taken for what they ask instead, the page itself."""
    with watched.connect() as connection:
        for key, value in (("empty", ""), (".", "dot"), ("..", "dots"), ("other", "value")):
            connection.call("SET", key, value)
        browser.shape(1280, 1000)
        browser.open(Web(watched).url + "/")
        is_good(browser)
        wait_keys(browser, ["empty", ".", "..", "other"])

        def open_key(key):
            browser.run(f"[...document.querySelectorAll('#key-list button')].find(button => button.textContent === {key!r}).click()")

        open_key("other")
        browser.wait("document.querySelector('#value').value === 'value'")
        open_key("empty")
        browser.wait("document.querySelector('#key').value === 'empty' && document.querySelector('#value-note').textContent === '0\u202fB'")
        assert browser.run("document.querySelector('#value').value") == ""
        for key in (".", ".."):
            open_key(key)
            wait_note(browser, f"named “{key}”")
            assert browser.run("document.querySelector('#key').value") == key
            write_key(browser, key, "new")
            wait_note(browser, f"named “{key}”")
            open_key("other")
            browser.wait("document.querySelector('#value').value === 'value'")
        assert connection.call("MGET", ".", "..") == [b"dot", b"dots"]
        assert browser.complaints == []


# --- hashes -----------------------------------------------------------------------------------------------------------


def open_field(browser, name):
    browser.run(f"[...document.querySelectorAll('#field-list button')].find(button => button.firstChild.textContent === {json.dumps(name)}).click()")
    browser.wait(f"document.querySelector('#field').value === {json.dumps(name)} && !document.querySelector('#delete').disabled")


def wait_fields(browser, names):
    shown = "[...document.querySelectorAll('#field-list button')].map(button => button.firstChild.textContent).sort()"
    browser.wait(f"JSON.stringify({shown}) === JSON.stringify({json.dumps(sorted(names))}.sort())")


def write_field(browser, name, value, ttl=""):
    browser.click("#new-field")
    for selector, text in (("#field", name), ("#value", value), ("#ttl", ttl)):
        browser.type(selector, text)
    browser.click("#save")


def test_fields_of_a_hash(watched, browser):
    """Shows: a hash is told from a value, its fields are listed with values and times, and a field is set, given a time,
    changed only if nobody else did, and deleted; the last one takes the key along."""
    browser.shape(1280, 1200)
    with watched.connect() as connection:
        connection.call("HSET", "user", "name", "Ada", "born", "1815", HOSTILE, HOSTILE)
        connection.call("HEXPIRE", "user", "5000", "FIELDS", "1", "born")
        connection.call("SET", "plain", "text")
        browser.open(Web(watched).url + "/")
        is_good(browser)
        wait_keys(browser, ["plain", "user"])
        types = "[...document.querySelectorAll('#key-list button')].map(button => button.dataset.type || '')"
        assert browser.run(types) == ["", "hash"]
        open_key(browser, "user")
        wait_fields(browser, ["name", "born", HOSTILE])
        assert "3 fields" in browser.run("document.querySelector('#fields-note').textContent")
        born = "[...document.querySelectorAll('#field-list button')].find(button => button.textContent.startsWith('born')).textContent"
        assert "1815" in browser.run(born) and "expires in" in browser.run(born)

        open_field(browser, "name")
        browser.wait("document.querySelector('#value').value === 'Ada'")
        browser.type("#value", "Grace")
        browser.click("#save")
        wait_note(browser, "Put, durably")
        assert connection.call("HGET", "user", "name") == b"Grace"
        browser.type("#ttl", "3000")
        browser.click("#set-ttl")
        wait_note(browser, "time to live now")
        assert 2990 <= connection.call("HTTL", "user", "FIELDS", "1", "name")[0] <= 3000
        browser.type("#value", "Grace H.")
        browser.click("#save")
        wait_note(browser, "Put, durably")
        assert connection.call("HTTL", "user", "FIELDS", "1", "name")[0] > 2000
        connection.call("HSET", "user", "name", "somebody else's")
        browser.type("#value", "mine")
        browser.click("#save")
        wait_note(browser, "Somebody changed it")
        assert connection.call("HGET", "user", "name") == b"somebody else's"
        browser.click("#reload")
        browser.wait("document.querySelector('#value').value === \"somebody else's\"")

        write_field(browser, "new one", "1", ttl="100")
        wait_note(browser, "Put, durably")
        wait_fields(browser, ["name", "born", HOSTILE, "new one"])
        assert 90 <= connection.call("HTTL", "user", "FIELDS", "1", "new one")[0] <= 100
        write_field(browser, "born", "never")
        wait_note(browser, "such a field already")
        assert connection.call("HGET", "user", "born") == b"1815"
        for name in ("born", "new one", HOSTILE, "name"):
            open_field(browser, name)
            assert browser.run("document.querySelector('#delete').textContent") == "Delete field"
            browser.click("#delete")
            browser.click("#delete")
            wait_note(browser, "is deleted, durably")
            assert connection.call("HEXISTS", "user", name) == 0
        wait_keys(browser, ["plain"])
        assert connection.call("EXISTS", "user") == 0
        assert browser.run("document.title") == "dkv"
        assert not [what for what in browser.complaints if "412 (Precondition Failed)" not in what], browser.complaints


def test_new_hash_and_whole_hash(watched, browser):
    """Shows: a field with a key that is not there makes a hash; a hash is deleted as a whole; a value and a hash do not
    take each other's place, whatever the list of keys still says."""
    browser.shape(1280, 1200)
    browser.open(Web(watched).url + "/")
    is_good(browser)
    with watched.connect() as connection:
        for selector, text in (("#key", "made"), ("#field", "first"), ("#value", "1")):
            browser.type(selector, text)
        browser.click("#save")
        wait_note(browser, "Put, durably")
        wait_fields(browser, ["first"])
        assert connection.call("HGETALL", "made") == [b"first", b"1"]
        browser.click("#new-field")
        browser.type("#value", "2")
        browser.click("#save")
        wait_note(browser, "needs a name")
        write_key(browser, "made", "a value")
        wait_note(browser, "WRONGTYPE")
        assert connection.call("TYPE", "made") == b"hash"
        connection.call("SET", "made", "a value now")
        open_key(browser, "made")
        wait_open(browser, "made", "a value now")
        connection.call("DEL", "made")
        connection.call("HSET", "made", "f", "1", "g", "2")
        browser.click("#reload")
        wait_fields(browser, ["f", "g"])
        assert browser.run("document.querySelector('#delete').textContent") == "Delete hash"
        browser.click("#delete")
        browser.click("#delete")
        wait_note(browser, "is deleted, durably")
        assert connection.call("EXISTS", "made") == 0


def test_large_hash_is_listed_in_pages(watched, browser):
    """Shows: of a hash with many fields a page is listed at a time, and all of them in the end; values that are too large
    to be told together are listed all the same; names that are no text can be opened."""
    browser.shape(1280, 1200)
    with watched.connect() as connection:
        connection.call("HSET", "large", *[word for i in range(1500) for word in (f"field:{i:04}", i)])
        connection.call("HSET", "heavy", *[word for i in range(20) for word in (f"f{i}", b"x" * 1000000)], b"\xff\0", b"\0\1")
        browser.open(Web(watched).url + "/")
        is_good(browser)
        wait_keys(browser, ["heavy", "large"])
        open_key(browser, "large")
        count = "document.querySelectorAll('#field-list button').length"
        browser.wait(f"{count} > 0")
        assert browser.run(count) < 700 and not browser.run("document.querySelector('#more-fields').hidden")
        while not browser.run("document.querySelector('#more-fields').hidden"):
            before = browser.run(count)
            browser.run("document.querySelector('#more-fields').click()")
            browser.wait(f"{count} > {before} || document.querySelector('#more-fields').hidden")
        assert browser.run(count) == 1500
        assert "1,500 fields" in browser.run("document.querySelector('#fields-note').textContent")
        open_key(browser, "heavy")
        browser.wait("document.querySelector('#fields-note').textContent.includes('21 fields')")
        while not browser.run("document.querySelector('#more-fields').hidden"):
            before = browser.run(count)
            browser.run("document.querySelector('#more-fields').click()")
            browser.wait(f"{count} > {before} || document.querySelector('#more-fields').hidden")
        open_field(browser, "\\xff\\x00")
        browser.wait("document.querySelector('#value-note').textContent.includes('hexadecimal')")
        assert not can(browser, "save")


# --- when things go wrong ---------------------------------------------------------------------------------------------


def open_key(browser, key):
    browser.run(f"[...document.querySelectorAll('#key-list button')].find(button => button.textContent === {json.dumps(key)}).click()")


def wait_open(browser, key, value):
    browser.wait(f"document.querySelector('#key').value === {json.dumps(key)} && document.querySelector('#value').value === {json.dumps(value)}")


def can(browser, button):
    return not browser.run(f"document.querySelector('#{button}').disabled")


def test_key_that_cannot_be_opened(watched, browser):
    """Shows: the editor names the key that was chosen, says why it is not there, and nothing can be done to the one before it."""
    with watched.connect() as connection:
        connection.call("MSET", "kept", "value", "cart:{42}", "goods", "..", "dots")
        browser.shape(1280, 1000)
        browser.open(Web(watched).url + "/")
        is_good(browser)
        wait_keys(browser, ["cart:{42}", "kept", ".."])
        for key, why in (("cart:{42}", "http-any-key"), ("..", "cannot ask")):
            open_key(browser, "kept")
            wait_open(browser, "kept", "value")
            assert can(browser, "delete")
            open_key(browser, key)
            wait_note(browser, why)
            wait_open(browser, key, "")
            assert [button for button in ("save", "delete", "set-ttl") if can(browser, button)] == []
            assert browser.run("document.querySelector('[aria-current]').textContent") == key
            browser.run("document.querySelector('#delete').click(); document.querySelector('#delete').click(); document.querySelector('#save').click()")
            assert connection.call("MGET", "kept", "cart:{42}") == [b"value", b"goods"]


def test_late_answers(watched, browser):
    """Shows: an answer that comes when another key was chosen meanwhile changes nothing, whether it is a value, an error, or
    what came of a put."""
    with watched.connect() as connection:
        connection.call("MSET", "slow", "1", "fast", "2")
        browser.shape(1280, 1000)
        browser.open(Web(watched).url + "/")
        is_good(browser)
        wait_keys(browser, ["fast", "slow"])
        browser.run("""{ const real = window.fetch; window.late = [];
            window.fetch = (path, options) => !String(path).startsWith('kv/slow') ? real(path, options) :
                new Promise((done) => window.late.push(async () => done(await real(path, options)))); }""")
        open_key(browser, "slow")
        wait_open(browser, "slow", "")
        assert not can(browser, "delete") and not can(browser, "save")
        open_key(browser, "fast")
        wait_open(browser, "fast", "2")
        browser.run("Promise.all(window.late.splice(0).map((go) => go()))")
        browser.click("#reload")
        wait_open(browser, "fast", "2")
        open_key(browser, "slow")
        browser.run("Promise.all(window.late.splice(0).map((go) => go()))")
        wait_open(browser, "slow", "1")
        browser.type("#value", "changed")
        browser.click("#save")
        browser.wait("window.late.length === 1")
        open_key(browser, "fast")
        wait_open(browser, "fast", "2")
        browser.run("Promise.all(window.late.splice(0).map((go) => go()))")
        wait_until(lambda: connection.call("GET", "slow") == b"changed")
        browser.click("#reload")
        wait_open(browser, "fast", "2")
        assert connection.call("GET", "fast") == b"2"


def test_time_to_live_is_kept(watched, browser):
    """Shows: a put leaves the time to live as it is at the server by then, unless it was changed in the page."""
    with watched.connect() as connection:
        connection.call("SET", "a", "1", "EX", "1000")
        browser.shape(1280, 1000)
        browser.open(Web(watched).url + "/")
        is_good(browser)
        wait_keys(browser, ["a"])
        open_key(browser, "a")
        wait_open(browser, "a", "1")
        for expire, left in ((("EXPIRE", "a", "9000"), range(8000, 9001)), (("PERSIST", "a"), [-1]), (("EXPIRE", "a", "5000"), range(4000, 5001))):
            connection.call(*expire)
            browser.type("#value", f"{left[0]}")
            browser.click("#save")
            wait_note(browser, "Put, durably")
            assert connection.call("GET", "a") == str(left[0]).encode()
            assert connection.call("TTL", "a") in left
        browser.type("#ttl", "70")
        browser.click("#save")
        wait_note(browser, "Put, durably")
        assert 0 < connection.call("TTL", "a") <= 70
        browser.type("#ttl", "")
        browser.click("#save")
        wait_note(browser, "Put, durably")
        assert connection.call("TTL", "a") == -1


def test_empty_value_is_put(watched, browser):
    """Shows: a new key with an empty value, and a value that is made empty."""
    with watched.connect() as connection:
        browser.shape(1280, 1000)
        browser.open(Web(watched).url + "/")
        is_good(browser)
        write_key(browser, "empty", "")
        wait_note(browser, "Put, durably")
        assert connection.call("GET", "empty") == b""
        write_key(browser, "emptied", "x")
        wait_note(browser, "Put, durably")
        assert connection.call("GET", "emptied") == b"x"
        browser.type("#value", "")
        browser.click("#save")
        wait_note(browser, "Put, durably")
        assert connection.call("GET", "emptied") == b""


def test_gone_or_changed_meanwhile(watched, browser):
    """Shows: what was deleted meanwhile is not made anew, and what was changed is not deleted, until it is meant."""
    with watched.connect() as connection:
        connection.call("MSET", "a", "1", "b", "2", "c", "3")
        browser.shape(1280, 1000)
        browser.open(Web(watched).url + "/")
        is_good(browser)
        wait_keys(browser, ["a", "b", "c"])
        open_key(browser, "a")
        wait_open(browser, "a", "1")
        connection.call("DEL", "a")
        browser.type("#value", "mine")
        browser.click("#save")
        wait_note(browser, "not there any more")
        assert connection.call("EXISTS", "a") == 0
        browser.click("#save")
        wait_note(browser, "Put, durably")
        assert connection.call("GET", "a") == b"mine"
        open_key(browser, "b")
        wait_open(browser, "b", "2")
        connection.call("SET", "b", "theirs")
        browser.run("document.querySelector('#delete').click(); document.querySelector('#delete').click()")
        wait_note(browser, "Somebody changed it")
        assert connection.call("GET", "b") == b"theirs"
        browser.click("#reload")
        wait_open(browser, "b", "theirs")
        open_key(browser, "c")
        wait_open(browser, "c", "3")
        connection.call("DEL", "c")
        browser.run("document.querySelector('#delete').click(); document.querySelector('#delete').click()")
        wait_note(browser, "was not there any more")
        wait_keys(browser, ["a", "b"])


def test_server_gone_and_back(watched, browser):
    """Shows: a server that goes is told of within seconds, and one that comes back is served again by the same page,
    without figures that would mix the two lives."""
    browser.open(Web(watched).url + "/")
    is_good(browser)
    with watched.connect() as connection:
        connection.call("SET", "a", "1")
    watched.kill()
    browser.wait("document.querySelector('#status').dataset.state === 'bad'")
    assert "has not answered since" in browser.text("#banner")
    watched.start()
    is_good(browser)
    assert browser.run("document.querySelector('#banner').hidden")
    assert browser.run("dkv.view.samples.filter(sample => sample.gap).length") == 2
    assert browser.run("dkv.view.samples.every(sample => sample.ops === undefined || sample.ops >= 0)")


def test_memory_only_is_told(start_server, browser):
    """Shows: a server that keeps nothing on disk says so above all else, until it does."""
    watched = start_server(appendonly="no", **web_directives())
    browser.open(Web(watched).url + "/")
    browser.wait("document.querySelector('#status').dataset.state === 'warn'")
    browser.wait("document.querySelector('#banner').innerText.includes('Nothing is kept on disk (appendonly no)')")
    with watched.connect() as connection:
        assert connection.call("CONFIG", "SET", "appendonly", "yes") == b"OK"
    is_good(browser)
    assert browser.run("document.querySelector('#banner').hidden")


def test_asks_for_a_password(start_server, browser):
    """Shows: where a password is needed the page asks for it itself, says so when it is wrong, and uses it for
    all that it asks for; the browser's own prompt never comes."""
    watched = start_server(requirepass="secret é", **web_directives())
    browser.shape(1280, 1000)
    browser.open(Web(watched).url + "/")
    browser.wait("document.querySelector('#login').open")
    browser.type("#password", "wrong")
    browser.click("#login-form .primary")
    browser.wait("document.querySelector('#login-note').textContent === 'Wrong user or password.'")
    browser.type("#password", "secret é")
    browser.click("#login-form .primary")
    is_good(browser)
    assert not browser.run("document.querySelector('#login').open")
    write_key(browser, "private", "1")
    wait_note(browser, "Put, durably")
    assert browser.run("document.querySelector('#password').value") == ""
    assert browser.run("localStorage.length + sessionStorage.length + document.cookie.length") == 0


def test_user_who_may_not_look(start_server, browser):
    """Shows: a user without INFO is told so, and one without SLOWLOG sees figures but no slow commands."""
    watched = start_server(requirepass="secret", slowlog_log_slower_than="0", **web_directives())
    with watched.connect() as connection:
        connection.call("AUTH", "secret")
        connection.call("ACL", "SETUSER", "blind", "on", ">x", "~*", "+@read")
        connection.call("ACL", "SETUSER", "watcher", "on", ">x", "+info", "+scan")
    for user, shown in (("blind", "does not tell"), ("watcher", "may not see slow commands")):
        browser.open("about:blank")
        browser.open(Web(watched).url + "/")
        browser.wait("document.querySelector('#login').open")
        browser.type("#user", user)
        browser.type("#password", "x")
        browser.click("#login-form .primary")
        browser.wait(f"document.body.innerText.includes({shown!r})")
