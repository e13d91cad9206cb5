"""Renders the results of benchmarks.overload as a table and as a picture."""

import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_HEAD = (
    "| {name}: {capacity:,.0f} a second | goodput, of capacity | refused/s, with RetryInfo | refused after, p50, p99 | "
    "not sent/s | sent, unanswered at the deadline/s | connection lost/s | p50, p99 | memory | generator |\n"
    + "| --- " * 10
    + "|"
)


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """Every case that was measured there."""
    found = sorted(folder.glob("overload *.json"))
    return {each.stem.removeprefix("overload "): json.loads(each.read_text()) for each in found}


def table(cases: Mapping[str, dict[str, Any]]) -> str:
    """A table for each case, in Markdown."""
    return "\n\n".join(_table(name, seen) for name, seen in cases.items())


def _table(name: str, seen: dict[str, Any]) -> str:
    rows = [_row(each, seen["capacity"]) for each in seen["steps"]]
    after = seen["recovered_after"]
    last = "not within five seconds" if after is None else f"after {after:.1f} s"
    wrong = sum(each["fate"]["wrong"] for each in seen["steps"])
    late = sum(each["fate"]["late"] for each in seen["steps"])
    message = f"As before {last}; {wrong} wrong, {late} late, {seen['lost_connections']} connections lost."
    return "\n".join((_HEAD.format(name=name, capacity=seen["capacity"]), *rows, "", message))


def _row(step: dict[str, Any], capacity: float) -> str:
    fate, seconds = step["fate"], step["step"]["seconds"]

    def rate(*names: str) -> str:
        return f"{sum(fate[each] for each in names) / seconds:,.0f}"

    refused = fate["refused"]
    explained = "" if not refused else f", {fate['explained'] / refused:.0%}"
    waited = f"{step['refusal_p50']:.1f}, {step['refusal_p99']:.0f} ms" if refused else ""
    cells = (
        f"{step['multiple']:g} times, {seconds:g} s",
        f"{fate['right'] / seconds / capacity:.0%}",
        f"{rate('refused')}{explained}",
        waited,
        rate("unsent", "turned_away"),
        rate("expired", "late", "others"),
        rate("reset"),
        f"{fate['p50']:.1f}, {fate['p99']:.0f} ms",
        f"{step['memory']:.0f} MB",
        f"{step['cpu']:.2f}, {step['round_p99']:.1f} ms",
    )
    return f"| {' | '.join(cells)} |"


def draw(cases: Mapping[str, dict[str, Any]], folder: Path) -> Path | None:
    """Goodput over what is offered, and over time; None where matplotlib isn't installed."""
    if importlib.util.find_spec("matplotlib") is None:
        return None
    import matplotlib as mpl  # noqa: PLC0415 - an extra

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - an extra

    figure, (curve, minute) = plt.subplots(1, 2, figsize=(13, 5), layout="constrained")
    for name, seen in cases.items():
        capacity, steps = seen["capacity"], seen["steps"][:-3]
        goodput = [100 * each["fate"]["right"] / each["step"]["seconds"] / capacity for each in steps]
        curve.plot([each["multiple"] for each in steps], goodput, marker="o", label=name)
        begin = round(10 * sum(each["step"]["seconds"] for each in steps))
        right = [tenths["right"] for tenths in seen["tenths"][begin:-1]]
        seconds = [100 * sum(right[at : at + 10]) / capacity for at in range(0, len(right) - 9, 10)]
        minute.plot([at + 0.5 for at in range(len(seconds))], seconds, linewidth=1.2, label=name)
    curve.plot([0.5, 1, 10], [50, 100, 100], color="#b8b8b8", linestyle="--", label="ideal")
    curve.set(xscale="log", xlabel="offered, of capacity", ylabel="right answers in time, % of capacity", ylim=(0, 160))
    curve.set_xticks([0.5, 1, 2, 5, 10], ["0.5", "1", "2", "5", "10"])
    minute.set(xlabel="seconds: 3 at half of capacity, then ten times, then half", ylim=(0, 160))
    for axis in (curve, minute):
        axis.axhline(80, color="#c04040", linewidth=0.8)
        axis.grid(visible=True, alpha=0.3)
    curve.legend(fontsize=8, loc="lower left")
    path = folder / "overload.png"
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path
