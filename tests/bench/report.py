"""From the figures of the rounds to medians, ratios and verdicts; as a table and as JSON."""

import json
from statistics import median

from cases import CASES
from driving import GENERATOR_BUSY

REFERENCE = "redis"  # what ratios are to

# Figures in the order of the table: their unit, and how they are shown.
FIGURES = {
    "rate": ("requests/s", "{:,.0f}"),
    "cpu": ("server CPU µs/request", "{:.2f}"),
    "seconds": ("s", "{:.3f}"),
    "ready": ("ms to the first reply", "{:.1f}"),
    "bytes": ("bytes of memory a key", "{:.1f}"),
    "extra": ("MiB of memory more than before", "{:.1f}"),
    "written": ("bytes written for each that is sent", "{:.4f}"),
    "again": ("MB that a rewrite writes", "{:.3f}"),
    "folder": ("bytes of the folder for each that lives", "{:.4f}"),
    "wakeups": ("context switches a second", "{:.1f}"),
    "idle": ("% of a processor", "{:.3f}"),
    "p50": ("p50, ms", "{:.3f}"),
    "p99": ("p99, ms", "{:.3f}"),
    "p99.9": ("p99.9, ms", "{:.3f}"),
    "max": ("max, ms", "{:.3f}"),
    "beside": ("requests/s of the others", "{:,.0f}"),
    "generator": ("load generator, of a processor", "{:.2f}"),
}


def judge(case, rounds, names):
    """What one case came to. rounds: for each server a list of dicts of figures."""
    medians = {name: {figure: median([one[figure] for one in rounds[name]])
                      for figure in FIGURES if all(figure in one for one in rounds[name])} for name in names}
    result = {"name": case.name, "what": case.what, "rounds": rounds, "median": medians, "ratio": {}, "floors": []}
    for name in names:
        if name != REFERENCE and REFERENCE in names:
            result["ratio"][name] = {figure: number / medians[REFERENCE][figure]
                                     for figure, number in medians[name].items() if medians[REFERENCE].get(figure)}
    ours = names[0]
    for floor in case.floors:
        number = (medians if floor.absolute else result["ratio"]).get(ours, {}).get(floor.figure)
        result["floors"].append({"figure": floor.figure, "floor": str(floor), "is": number,
                                 "met": None if number is None else floor.met_by(number)})
    return result


def _verdict(result, figure):
    texts = [f"{floor['floor']:>9}  {'met' if floor['met'] else 'MISSED' if floor['met'] is False else '-'}"
             for floor in result["floors"] if floor["figure"] == figure]
    return "   ".join(texts)


def _lines(result, names):
    yield f"{result['name']}: {result['what']}"
    if "failed" in result:
        yield f"  FAILED: {result['failed']}"
        return
    others = [name for name in names if name != REFERENCE]
    for figure, (unit, form) in FIGURES.items():
        if any(figure not in result["median"][name] for name in names):
            continue
        row = f"  {unit:32}" + "".join(f"{form.format(result['median'][name][figure]):>13}" for name in names)
        if figure == "generator":
            busy = [name for name in names if result["median"][name][figure] >= GENERATOR_BUSY]
            row += f"  the bottleneck for {', '.join(busy)}" if busy else ""
        else:
            for name in others:
                ratio = result["ratio"].get(name, {}).get(figure)
                row += "         -" if ratio is None else f"{ratio:8.2f} ×"
            row += "  " + _verdict(result, figure)
        yield row.rstrip()


def table(report):
    names = report["servers"]
    yield from (f"{name + ':':22}{text}" for name, text in report["machine"].items())
    yield from (f"{name + ':':22}{text}" for name, text in report["sizes"].items())
    yield ""
    yield f"{'median of the rounds':34}" + "".join(f"{name:>13}" for name in names) + "".join(
        f"{name + '/' + REFERENCE:>10}" for name in names if name != REFERENCE)
    for result in report["cases"]:
        yield from _lines(result, names)
    floors = [(result["name"], floor) for result in report["cases"] for floor in result.get("floors", ())]
    missed = [f"{name} ({floor['figure']} {floor['is']:.3g}, {floor['floor']})"
              for name, floor in floors if floor["met"] is False]
    yield ""
    yield f"{sum(1 for _, floor in floors if floor['met'])} of {len(floors)} floors met"
    if missed:
        yield "missed: " + ", ".join(missed)


def write_json(report, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


def names_of(selection):
    """The cases named, each by its name or by a beginning that ends in *."""
    unknown = [word for word in selection if not any(_matches(word, case) for case in CASES)]
    if unknown:
        raise SystemExit(f"no such case: {' '.join(unknown)}; there are {' '.join(case.name for case in CASES)}")
    return [case for case in CASES if not selection or any(_matches(word, case) for word in selection)]


def _matches(word, case):
    return case.name.startswith(word[:-1]) if word.endswith("*") else case.name == word
