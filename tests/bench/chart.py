#!/usr/bin/env python3
"""Draws a run: how many times as good as redis-server dkv is, a bar each, readable on light and dark pages.

    chart.py build/bench.json tests/bench/chart.svg
"""

import json
import math
import sys
from html import escape
from pathlib import Path

REFERENCE = "redis"

# Heading, then rows: case, figure, what it is called. Of rates more is better, of everything else less.
SECTIONS = [
    ("requests a second, every write durable (appendfsync always); 1 × is redis-server", [
        ("set-p1", "rate", "SET"),
        ("set-p16", "rate", "SET, pipeline of 16"),
        ("set-p64", "rate", "SET, pipeline of 64"),
        ("incr-p16", "rate", "INCR, pipeline of 16"),
        ("mset-p16", "rate", "MSET, pipeline of 16"),
        ("mixed-p16", "rate", "SET and GET 1:10, pipeline of 16"),
        ("get-p1", "rate", "GET"),
        ("get-p16", "rate", "GET, pipeline of 16"),
        ("get-p64", "rate", "GET, pipeline of 64"),
        ("get-beside", "rate", "GET beside 20 writers of 1 KB"),
    ]),
    ("time and memory, redis-server's divided by ours", [
        ("set-one", "p50", "SET, one client, median"),
        ("get-beside", "p99", "GET beside 20 writers, 99 %"),
        ("set-p16", "cpu", "processor time of a SET in a pipeline"),
        ("get-p16", "cpu", "processor time of a GET in a pipeline"),
        ("replay", "seconds", "restart from the log"),
        ("base-load", "seconds", "restart from a rewritten base"),
        ("rewrite", "seconds", "rewrite"),
        ("memory", "bytes", "memory per key"),
    ]),
    ("hashes: requests a second without a log; time and memory, redis-server's divided by ours", [
        ("hset-small-p16-nolog", "rate", "HSET, 10 fields, pipeline of 16"),
        ("hget-small-p16-nolog", "rate", "HGET, 10 fields, pipeline of 16"),
        ("hgetall-small-p16", "rate", "HGETALL of 10 fields, pipeline of 16"),
        ("hset-large-p16-nolog", "rate", "HSET, a million fields, pipeline of 16"),
        ("hget-large-p16-nolog", "rate", "HGET, a million fields, pipeline of 16"),
        ("hgetall-1k-p1", "rate", "HGETALL of 1,000 fields"),
        ("hash-replay-small", "seconds", "restart from the log, small hashes"),
        ("hash-base-load-small", "seconds", "restart from a rewritten base, the same"),
        ("hash-memory-small", "bytes", "memory per hash of 10 fields"),
        ("hash-memory-field", "bytes", "memory per field of a large hash"),
    ]),
]

WIDTH, MARGIN, ROW, BAR = 860, 20, 24, 14
LABEL_END, AXIS_BEGIN, AXIS_END = 292, 304, 640  # where labels end and where 1/2 and the last power of two are

STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; }
.head { font-weight: 600; } .small { font-size: 11px; fill: #59636e; } .end { text-anchor: end; }
.middle { text-anchor: middle; }
.page { fill: #ffffff; stroke: #d1d9e0; } .grid { stroke: #d1d9e0; } .one { stroke: #59636e; stroke-width: 1.5; }
.good { fill: #1a7f64; } .bad { fill: #bc4c00; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .small { fill: #9198a1; }
.page { fill: #0d1117; stroke: #3d444d; } .grid { stroke: #30363d; } .one { stroke: #9198a1; }
.good { fill: #2ea88a; } .bad { fill: #db6d28; }
}
"""


def number_text(figure, number):
    if figure == "rate":
        return f"{number / 1e6:.2f} M/s" if number >= 1e6 else f"{number / 1e3:.0f} k/s"
    return {"seconds": "{:.2f} s", "bytes": "{:.0f} B", "cpu": "{:.2f} µs"}.get(figure, "{:.3f} ms").format(number)


def rows_of(results, section):
    """Label, ratio, and both numbers, of what was measured."""
    for name, figure, label in section:
        medians = results.get(name, {}).get("median", {})
        ours, theirs = (medians.get(server, {}).get(figure) for server in ("dkv", REFERENCE))
        if ours and theirs:
            ratio = ours / theirs if figure == "rate" else theirs / ours
            yield label, ratio, f"{number_text(figure, ours)} : {number_text(figure, theirs)}"


class Drawing:
    def __init__(self, ratios):
        self.parts = []
        self.powers = max(2, math.ceil(math.log2(max(ratios))))

    def text(self, x, y, text, kinds=""):
        self.parts.append(f'<text x="{x:g}" y="{y:g}" class="{kinds}">{escape(text)}</text>')

    def place(self, ratio):
        """On the axis, on which each doubling is as long as the one before."""
        steps = min(max(math.log2(ratio), -1), self.powers)
        return AXIS_BEGIN + (steps + 1) * (AXIS_END - AXIS_BEGIN) / (self.powers + 1)

    def axis(self, top, bottom):
        for power in range(-1, self.powers + 1):
            x = self.place(2**power)
            kind = "one" if power == 0 else "grid"
            self.parts.append(f'<line x1="{x:g}" x2="{x:g}" y1="{top:g}" y2="{bottom:g}" class="{kind}"/>')
            self.text(x, bottom + 14, f"{2.0**power:g} ×", "small middle")

    def row(self, y, label, ratio, numbers):
        begin, end = sorted((self.place(1), self.place(ratio)))
        self.text(LABEL_END, y + 4.5, label, "end")
        self.parts.append(f'<rect x="{begin:g}" y="{y - BAR / 2:g}" width="{max(end - begin, 1):.1f}" '
                          f'height="{BAR}" rx="2" class="{"good" if ratio >= 1 else "bad"}"/>')
        self.text(AXIS_END + 10, y + 4.5, f"{ratio:.2f} ×")
        self.text(WIDTH - MARGIN, y + 4.5, numbers, "end small")


def draw(report):
    results = {result["name"]: result for result in report["cases"]}
    sections = [(heading, list(rows_of(results, section))) for heading, section in SECTIONS]
    sections = [(heading, rows) for heading, rows in sections if rows]
    if not sections:
        return None
    drawing = Drawing([row[1] for _, rows in sections for row in rows])
    y = MARGIN + 10
    for heading, rows in sections:
        drawing.text(MARGIN, y, heading, "head")
        drawing.text(WIDTH - MARGIN, y, "dkv : redis-server", "end small")
        drawing.axis(y + 10, y + 14 + len(rows) * ROW)
        for number, row in enumerate(rows):
            drawing.row(y + 12 + ROW / 2 + number * ROW, *row)
        y += 56 + len(rows) * ROW
    machine = report["machine"]
    drawing.text(MARGIN, y - 4, f"{machine['cores']} cores ({machine['processor']}), Linux {machine['kernel']}, "
                 f"redis-server {machine['version of redis'].split('v=')[-1].split()[0]}; disk: {machine['disk']}", "small")
    y += 16
    drawing.text(MARGIN, y - 4, f"{report['sizes']['keys']:,} random keys, values of 64 bytes, 50 clients; restarts, "
                 f"rewrite and memory: {report['sizes']['keys_large']:,} keys", "small")
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 10:g}" width="{WIDTH}" role="img" '
            f'aria-label="dkv beside redis-server">\n<style>{STYLE}</style>\n'
            f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{y + 9:g}" rx="6" class="page"/>\n'
            + "\n".join(drawing.parts) + "\n</svg>\n")


def write_chart(report, path):
    drawn = draw(report)
    if drawn:
        Path(path).write_text(drawn, encoding="utf-8")


if __name__ == "__main__":
    write_chart(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), sys.argv[2])
