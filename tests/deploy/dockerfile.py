"""Reads a Dockerfile, and carries its steps out in folders where no image can be built.

A stage is a folder, made as a copy of a Debian that debootstrap unpacked; RUN is chroot. It knows what our Dockerfile
uses, and refuses everything else; RUN, ENTRYPOINT and CMD in exec form alone.
"""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Stage:
    """A stage of an image.

    Attributes:
        base: the image that it begins with.
        steps: COPY and RUN with their arguments, in order.
    """

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    user: str = ""
    entry_point: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health_check: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)


def read(path: Path) -> list[Stage]:
    """Return the stages of a Dockerfile.

    Raises:
        ValueError: an instruction that is not known here.
    """
    text = re.sub(r"^\s*#.*\n", "", path.read_text("utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for line in filter(str.strip, text.splitlines()):
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        if word == "ARG":
            name, _, value = rest.partition("=")
            arguments[name] = value
        elif word == "FROM":
            image, _, name = rest.partition(" AS ")
            stages.append(Stage(name, re.sub(r"\$\{(\w+)\}", lambda found: arguments[found[1]], image)))
        else:
            _add(stages[-1], word, rest)
    return stages


def _add(stage: Stage, word: str, rest: str) -> None:
    if word in {"COPY", "RUN"}:
        stage.steps.append((word, rest))
    elif word == "ENV":
        stage.environment |= dict(each.split("=", 1) for each in shlex.split(rest))
    elif word == "USER":
        stage.user = rest
    elif word == "ENTRYPOINT":
        stage.entry_point = json.loads(rest)
    elif word == "CMD":
        stage.command = json.loads(rest)
    elif word == "VOLUME":
        stage.volumes += json.loads(rest)
    elif word == "HEALTHCHECK":
        stage.health_check = json.loads(rest[rest.index("CMD ") + 4 :])
    elif word not in {"EXPOSE", "STOPSIGNAL"}:
        raise ValueError(f"no such instruction here: {word}")


class FolderBuilder:
    """Builds the stages of a Dockerfile as folders.

    Args:
        context: the folder that COPY copies from.
        debian: an unpacked Debian, in place of the base image.
        folder: for the stages.
        machine: files and folders of this machine by the path under which RUN sees them, for a registry that is
            reached in its own way.
        environment: of RUN, for the same purpose.
    """

    def __init__(
        self, context: Path, debian: Path, folder: Path, machine: Mapping[Path, str], environment: Mapping[str, str]
    ) -> None:
        self._context = context
        self._debian = debian
        self._folder = folder
        self._machine = machine
        self._environment = environment

    def build(self, stages: Sequence[Stage]) -> Path:
        """Carry out every step; return the last stage's folder."""
        folders: dict[str, Path] = {}
        root = self._folder
        for index, stage in enumerate(stages):
            root = self._folder / (stage.name or str(index))
            subprocess.run(["cp", "-a", "--reflink=auto", self._debian, root], check=True)
            folders[stage.name] = root
            for word, rest in stage.steps:
                if word == "COPY":
                    self._copy(root, rest, folders)
                else:
                    self._run(root, json.loads(rest))
        return root

    def _copy(self, root: Path, rest: str, folders: Mapping[str, Path]) -> None:
        options = [each for each in rest.split() if each.startswith("--")]
        *sources, target = [each for each in rest.split() if not each.startswith("--")]
        stage = next((each.removeprefix("--from=") for each in options if each.startswith("--from=")), None)
        origin = self._context if stage is None else folders[stage]
        place = root / target.lstrip("/")
        for source in sources:
            path = origin / source.lstrip("/")
            if path.is_dir():
                shutil.copytree(
                    path, place, symlinks=True, ignore=shutil.ignore_patterns("__pycache__") if stage is None else None
                )
            else:
                into = place / path.name if target.endswith("/") else place
                into.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, into)

    def _run(self, root: Path, command: Sequence[str]) -> None:
        mounts = ["mount --rbind /dev {root}/dev", "mount -t proc proc {root}/proc"]
        quoted = shlex.quote(str(root))
        script = [each.format(root=quoted) for each in mounts]
        for path, place in self._machine.items():
            inside = root / place.lstrip("/")
            if path.is_dir():
                inside.mkdir(parents=True, exist_ok=True)
            else:
                inside.parent.mkdir(parents=True, exist_ok=True)
                inside.touch()
            script.append(f"mount --bind {shlex.quote(str(path))} {shlex.quote(str(inside))}")
        script.append(f"exec chroot {quoted} {shlex.join(command)}")
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", **self._environment}
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-ec", "\n".join(script)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{shlex.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def run_command(root: Path, stage: Stage, arguments: Sequence[str]) -> list[str]:
    """Return a command line that runs the image: its user, its environment, its root read-only but for volumes."""
    quoted = shlex.quote(str(root))
    script = [f"mount --bind {quoted} {quoted}"]
    script += [f"mount -t tmpfs -o mode=1777 tmpfs {quoted}{volume}" for volume in stage.volumes]
    script += [f"mount -t proc proc {quoted}/proc", f"mount --rbind /dev {quoted}/dev"]
    script += [f"mount -o remount,bind,ro {quoted}"]
    inside = shlex.join(["env", "-i", *(f"{name}={value}" for name, value in stage.environment.items()), *arguments])
    script += [f"exec chroot --userspec={stage.user} {quoted} {inside}"]
    return ["unshare", "--mount", "sh", "-ec", "\n".join(script)]
