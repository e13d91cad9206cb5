"""The number of usable CPUs: affinity, and the CPU limits of both versions of cgroups."""

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.runtime import available_cpus as module
from router.runtime.available_cpus import available_cpus, cpu_limit


class Machine:
    """A process's folder in /proc, and the cgroups that it points to.

    Args:
        folder: where to put them.
        path: of the process's cgroup, as it sees it.
        version: of cgroups.
    """

    def __init__(self, folder: Path, path: str, version: int) -> None:
        self._mount = folder / "cgroup"
        self._version = version
        self.process = folder / "self"
        self.process.mkdir()
        kind, options, line = (
            ("cgroup2", "rw,nsdelegate", f"0::{path}")
            if version == 2
            else ("cgroup", "rw,cpu,cpuacct", f"3:cpu,cpuacct:{path}")
        )
        mounts = [
            "25 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw",
            f"30 25 0:26 / {folder}/other rw - cgroup cgroup rw,memory",
            f"31 25 0:27 / {self._mount} rw,nosuid shared:9 - {kind} cgroup {options}",
        ]
        (self.process / "mountinfo").write_text("\n".join(mounts) + "\n")
        (self.process / "cgroup").write_text(f"9:name=systemd:/\n4:memory:/m\n{line}\n")

    def limit(self, path: str, quota: str, period: str = "100000") -> None:
        """Set the limit of a cgroup."""
        group = self._mount / path.lstrip("/")
        group.mkdir(parents=True, exist_ok=True)
        if self._version == 2:
            (group / "cpu.max").write_text(f"{quota} {period}\n")
        else:
            (group / "cpu.cfs_quota_us").write_text(f"{-1 if quota == 'max' else quota}\n")
            (group / "cpu.cfs_period_us").write_text(f"{period}\n")


VERSIONS = pytest.mark.parametrize("version", [1, 2])


@VERSIONS
def test_limit_is_quota_over_period(tmp_path: Path, version: int) -> None:
    machine = Machine(tmp_path, "/", version)
    machine.limit("/", "200000")

    assert cpu_limit(machine.process) == 2


@VERSIONS
def test_narrowest_cgroup_of_all_above_counts(tmp_path: Path, version: int) -> None:
    machine = Machine(tmp_path, "/kubepods/pod1/container", version)
    machine.limit("/kubepods", "800000")
    machine.limit("/kubepods/pod1", "150000")
    machine.limit("/kubepods/pod1/container", "max")

    assert cpu_limit(machine.process) == 1.5


@VERSIONS
def test_container_with_a_host_path_has_its_own_folder_mounted(tmp_path: Path, version: int) -> None:
    machine = Machine(tmp_path, "/docker/0123456789ab", version)
    machine.limit("/", "300000")

    assert cpu_limit(machine.process) == 3


@VERSIONS
@pytest.mark.parametrize(("quota", "period"), [("max", "100000"), ("garbled", "100000"), ("100000", "0")])
def test_no_limit_is_no_limit(tmp_path: Path, version: int, quota: str, period: str) -> None:
    machine = Machine(tmp_path, "/", version)
    machine.limit("/", quota, period)

    assert cpu_limit(machine.process) == math.inf


def test_system_without_cgroups_has_no_limit(tmp_path: Path) -> None:
    assert cpu_limit(tmp_path) == math.inf


@pytest.mark.parametrize(
    ("limit", "cpus"), [(math.inf, 8), (2.0, 2), (1.5, 2), (0.2, 1), (16.0, 8)], ids=["none", "two", "1.5", "0.2", "16"]
)
def test_limit_is_rounded_up_and_affinity_bounds_it(monkeypatch: pytest.MonkeyPatch, limit: float, cpus: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 80)
    monkeypatch.setattr(module, "cpu_limit", lambda: limit)

    assert available_cpus() == cpus


@pytest.fixture
def limited() -> Iterator[Path]:
    """A real cgroup, of whichever version, that allows half a CPU."""
    for folder, limits in (
        (Path("/sys/fs/cgroup"), {"cpu.max": "50000 100000"}),
        (Path("/sys/fs/cgroup/cpu"), {"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"}),
    ):
        group = folder / f"did-router-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if all((group / name).exists() for name in limits):
                for name, value in limits.items():
                    (group / name).write_text(value)
                yield group
                return
        finally:
            group.rmdir()
    pytest.skip("no cgroup can be made here")


@pytest.mark.skipif(sys.platform != "linux", reason="cgroups are Linux's")
def test_cpu_limit_of_a_real_cgroup_is_read(limited: Path) -> None:
    script = (
        f"import os; open('{limited}/cgroup.procs', 'w').write(str(os.getpid()));"
        "from router.runtime.available_cpus import available_cpus, cpu_limit; print(cpu_limit(), available_cpus())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["0.5", "1"]
