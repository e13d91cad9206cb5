"""Compiling the peers: on demand, offline, into benchmarks/build; and why one can't be had."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PEERS = Path(__file__).parent
PROTO = PEERS.parent.parent / "proto"
BUILD = PEERS.parent / "build"
GO_SOURCES = Path("/usr/share/gocode")
GO, CPP = BUILD / "go" / "server", BUILD / "cpp" / "server"
_GO_SOURCE, _CPP_SOURCE = PEERS / "go" / "main.go", PEERS / "cpp" / "server.cc"
NODE = PEERS / "node"
_INBOUND = "router/v1/inbound.proto"


class BuildError(RuntimeError):
    """A peer can't be compiled; the message carries the compiler's."""


def lacks(commands: Sequence[str] = (), files: Sequence[Path] = (), packages: str = "") -> str | None:
    """Why something can't be run: the first command or file that isn't there, and where it comes from."""
    absent = [each for each in commands if find(each) is None] + [str(each) for each in files if not each.exists()]
    if not absent:
        return None
    return f"{absent[0]} is not installed: make bench-peers ({packages})"


def find(command: str) -> str | None:
    """A command's path; servers stand where an ordinary user's PATH does not look."""
    return shutil.which(command) or shutil.which(command, path="/usr/sbin:/sbin")


def go_missing() -> str | None:
    """Why the Go peer can't be had."""
    sources = [GO_SOURCES / "src" / each for each in ("google.golang.org/grpc", "gopkg.in/redis.v5")]
    packages = "golang-go golang-google-grpc-dev golang-gopkg-redis.v5-dev golang-goprotobuf-dev protobuf-compiler"
    return lacks(("go", "protoc", "protoc-gen-go"), sources, packages)


def cpp_missing() -> str | None:
    """Why the C++ peer can't be had."""
    packages = "g++ libgrpc++-dev protobuf-compiler-grpc pkg-config"
    return lacks(("g++", "protoc", "grpc_cpp_plugin", "pkg-config"), [Path("/usr/include/grpcpp/grpcpp.h")], packages)


def go_uncompiled() -> str | None:
    """Why the Go peer would have to be compiled before it can start."""
    return _uncompiled(GO, _GO_SOURCE)


def cpp_uncompiled() -> str | None:
    """Why the C++ peer would have to be compiled before it can start."""
    return _uncompiled(CPP, _CPP_SOURCE)


def node_missing() -> str | None:
    """Why the Node peer can't be had."""
    return lacks(("node",), [NODE / "node_modules" / "ioredis"], "nodejs npm, and npm install in benchmarks/peers/node")


def go_server() -> str:
    """Compile the Go peer with Debian's libraries."""
    if _fresh(GO, _GO_SOURCE):
        return str(GO)
    home = BUILD / "go" / "path"
    package = home / "src" / "did-router-peer"
    package.mkdir(parents=True, exist_ok=True)
    generated = f"--go_out=plugins=grpc,paths=source_relative,import_path=router:{package}"
    _run(["protoc", "-I", str(PROTO), generated, _INBOUND])
    shutil.copy(_GO_SOURCE, package)
    settings = {"GO111MODULE": "off", "GOPATH": f"{home}:{GO_SOURCES}", "GOCACHE": str(BUILD / "go" / "cache")}
    _run(["env", *(f"{name}={value}" for name, value in settings.items()), "go", "build", "-o", str(GO), "."], package)
    return str(GO)


def cpp_server() -> str:
    """Compile the C++ peer with Debian's libraries."""
    if _fresh(CPP, _CPP_SOURCE):
        return str(CPP)
    out = BUILD / "cpp"
    out.mkdir(parents=True, exist_ok=True)
    plugin = f"--plugin=protoc-gen-grpc={shutil.which('grpc_cpp_plugin')}"
    _run(["protoc", "-I", str(PROTO), f"--cpp_out={out}", f"--grpc_out={out}", plugin, _INBOUND])
    flags = _run(["pkg-config", "--cflags", "--libs", "grpc++", "protobuf"]).split()
    units = [str(_CPP_SOURCE), *map(str, sorted(out.glob("router/v1/*.cc")))]
    _run(["g++", "-O2", "-std=c++17", "-o", str(CPP), f"-I{out}", *units, *flags, "-lpthread"])
    return str(CPP)


def _uncompiled(program: Path, source: Path) -> str | None:
    if _fresh(program, source):
        return None
    return f"{program.parent.name} is not compiled, or its source is newer: make bench-peers"


def _fresh(built: Path, source: Path) -> bool:
    newest = max(source.stat().st_mtime, (PROTO / _INBOUND).stat().st_mtime)
    return built.exists() and built.stat().st_mtime > newest


def _run(command: Sequence[str], folder: Path | None = None) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise BuildError(f"{' '.join(command)[:80]}: {done.stderr[-800:]}")
    return done.stdout


def main() -> None:
    """Compile whatever can be compiled here."""
    for missing, compile_peer in ((go_missing, go_server), (cpp_missing, cpp_server)):
        reason = missing()
        sys.stdout.write(f"{reason or compile_peer()}\n")


if __name__ == "__main__":
    main()
