"""From the figures of the rounds to medians, ratios and verdicts; as a table and as JSON."""

import json
from statistics import median

from case import BEST, NOBODY, REFERENCE
from cases import CASES
from driving import GENERATOR_BUSY

MORE_IS_BETTER = {"rate", "beside"}

# Figures in the order of the table: their unit, and how they are shown.
FIGURES = {
    "rate": ("requests/s", "{:,.0f}"),
    "cpu": ("server CPU µs/request", "{:.2f}"),
    "seconds": ("s", "{:.3f}"),
    "busy": ("s of a processor", "{:.2f}"),
    "ready": ("ms to the first reply", "{:.1f}"),
    "bytes": ("bytes of memory for each", "{:.1f}"),
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


def _worst(figure, ratios):
    return min(ratios) if figure in MORE_IS_BETTER else max(ratios)


def judge(case, rounds, names):
    """What one case came to. rounds: for each server a list of dicts of figures."""
    medians = {name: {figure: median([one[figure] for one in rounds[name]])
                      for figure in FIGURES if rounds[name] and all(figure in one for one in rounds[name])}
               for name in names}
    ours = names[0]
    result = {"name": case.name, "what": case.what, "rounds": rounds, "median": medians, "ratio": {}, "floors": []}
    for name in names:
        if name != ours:
            result["ratio"][name] = {figure: number / medians[name][figure]
                                     for figure, number in medians[ours].items() if medians[name].get(figure)}
    result["ratio"][BEST] = {figure: _worst(figure, [one[figure] for one in result["ratio"].values() if figure in one])
                             for figure in medians[ours] if any(figure in one for one in result["ratio"].values())}
    for floor in case.floors:
        number = (medians[ours] if floor.to == NOBODY else result["ratio"].get(floor.to, {})).get(floor.figure)
        result["floors"].append({"figure": floor.figure, "floor": str(floor), "is": number,
                                 "met": None if number is None else floor.met_by(number)})
    return result


def failed(case, why):
    return {"name": case.name, "what": case.what, "failed": why}


def _verdict(result, figure):
    texts = [f"{floor['floor']:>13}  {'met' if floor['met'] else 'MISSED' if floor['met'] is False else '-'}"
             for floor in result["floors"] if floor["figure"] == figure]
    return "   ".join(texts)


def _lines(result, names):
    yield f"{result['name']}: {result['what']}"
    if "failed" in result:
        yield f"  FAILED: {result['failed']}"
        return
    for figure, (unit, form) in FIGURES.items():
        numbers = [result["median"][name].get(figure) for name in names]
        if all(number is None for number in numbers):
            continue
        row = f"  {unit:32}" + "".join(f"{'-' if number is None else form.format(number):>13}" for number in numbers)
        if figure == "generator":
            busy = [name for name, number in zip(names, numbers) if number is not None and number >= GENERATOR_BUSY]
            row += f"  the bottleneck for {', '.join(busy)}" if busy else ""
        else:
            for name in names[1:]:
                ratio = result["ratio"].get(name, {}).get(figure)
                row += "             -" if ratio is None else f"{ratio:12.2f} ×"
            row += "  " + _verdict(result, figure)
        yield row.rstrip()


def table(report):
    names = report["servers"]
    yield from (f"{name + ':':24}{text}" for name, text in [*report["machine"].items(), *report["sizes"].items()])
    yield ""
    yield f"{'median of the rounds':34}" + "".join(f"{name:>13}" for name in names) + "".join(
        f"{'/' + name:>14}" for name in names[1:])
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
