"""Pictures of a run; skipped where matplotlib isn't installed (extra `bench`)."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.bar import CAPACITY, NEAR, REDIS
from benchmarks.figures import Results, middle

_OURS, _OTHERS = "#1f6f8b", "#b8b8b8"


def draw(seen: Results, folder: Path) -> list[Path]:
    """Draw what was measured; returns the files."""
    if importlib.util.find_spec("matplotlib") is None:
        print("no plots: matplotlib is not installed: make bench-peers")
        return []
    import matplotlib as mpl  # noqa: PLC0415 - an extra

    mpl.use("Agg")
    made = [
        _bars(seen, "rate", "lookups a second, 8 connections x 16 calls", folder / "throughput.png"),
        _bars(seen, "per_cpu", "lookups per CPU-second of the server", folder / "per_cpu_second.png"),
        _latency(seen, folder / "latency.png"),
        _growth(seen, folder / "growth.png"),
        _other(seen, folder / "follower.png"),
    ]
    return [each for each in made if each is not None]


def _figure(columns: int = 1, height: float = 5) -> tuple[Any, Any]:
    from matplotlib import pyplot as plt  # noqa: PLC0415 - an extra

    figure, axes = plt.subplots(1, columns, figsize=(5 + 4 * columns, height), layout="constrained", squeeze=False)
    return figure, axes[0]


def _save(figure: Any, path: Path) -> Path:
    from matplotlib import pyplot as plt  # noqa: PLC0415 - an extra

    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _bars(seen: Results, what: str, title: str, path: Path) -> Path | None:
    values = {who: seen.value(who, CAPACITY, what) for who, load, _ in seen.pairs() if load == CAPACITY}
    known = sorted((value, who) for who, value in values.items() if value)
    if not known:
        return None
    figure, (axis,) = _figure(height=1 + 0.3 * len(known))
    names = [who for _, who in known]
    colours = [_OURS if name.startswith(("near", "redis ", "fallback")) else _OTHERS for name in names]
    bars = axis.barh(names, [value for value, _ in known], color=colours)
    axis.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8)
    axis.set_title(title)
    axis.margins(x=0.15)
    return _save(figure, path)


def _latency(seen: Results, path: Path) -> Path | None:
    open_loop = [each for each in seen.turns if each.offered and "growth" not in each.load]
    if len({each.load for each in open_loop}) < 2:
        return None
    shares = ("50", "99", "99.9")
    figure, axes = _figure(len(shares))
    for axis, share in zip(axes, shares, strict=True):
        for who in dict.fromkeys(each.contestant for each in open_loop):
            rates = sorted({each.offered for each in open_loop if each.contestant == who})
            points = [
                middle(
                    each.percentiles.get(share) for each in open_loop if (each.contestant, each.offered) == (who, rate)
                )
                for rate in rates
            ]
            axis.plot(rates, points, marker="o", label=who)
        axis.set(xscale="log", yscale="log", xlabel="lookups a second, offered", ylabel="ms", title=f"p{share}")
        axis.grid(visible=True, alpha=0.3)
    axes[0].legend(fontsize=8)
    return _save(figure, path)


def _growth(seen: Results, path: Path) -> Path | None:
    sizes = sorted(seen.redis_bytes)
    if len(sizes) < 2:
        return None
    figure, axes = _figure(4, 4)
    for who in (NEAR, REDIS):
        for axis, load, what in (
            (axes[0], "growth", "rate"),
            (axes[1], "growth, half", "p99"),
            (axes[2], "growth", "megabytes"),
        ):
            axis.plot(sizes, [seen.value(who, load, what, size) for size in sizes], marker="o", label=who)
    axes[3].plot(sizes, [seen.redis_bytes[size] for size in sizes], marker="o")
    titles = ("lookups a second", "p99 ms at half of capacity", "server's memory, MB", "Redis bytes a number")
    for axis, title in zip(axes, titles, strict=True):
        axis.set(xscale="log", xlabel="numbers", title=title)
        _from_zero(axis)
    axes[0].legend()
    return _save(figure, path)


def _other(seen: Results, path: Path) -> Path | None:
    warming, feeding = seen.other.get("warming", []), seen.other.get("feeding", [])
    if len(warming) < 2:
        return None
    figure, axes = _figure(4, 4)
    _lines(axes[0], warming, ("plain", "warm"), "documents a second, read and warmed")
    _lines(axes[1], feeding, ("start",), "seconds until all is in the cache")
    _lines(axes[2], feeding, ("alone", "written", "applied"), "changes a second under a flood")
    _lines(axes[3], feeding, ("lag_p50", "lag_p99"), "lag under the flood, s")
    return _save(figure, path)


def _lines(axis: Any, rows: Sequence[dict[str, float]], names: Sequence[str], title: str) -> None:
    for name in names:
        axis.plot([row["databases"] for row in rows], [row.get(name) for row in rows], marker="o", label=name)
    axis.set(xscale="log", xlabel="databases", title=title)
    _from_zero(axis)
    axis.legend()


def _from_zero(axis: Any) -> None:
    """A scale that begins at nothing, so that small differences look small."""
    axis.set_ylim(0, 1.08 * axis.get_ylim()[1])
