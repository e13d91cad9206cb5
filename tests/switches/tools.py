"""Results of the tools of the field on did-router itself: SIPp of its SIP, dig, kdig and dnsperf of its ENUM."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.cli.command import environment
from tests.switches.campaign import NUMBERS
from tests.switches.ports import free_port
from tests.switches.programs import SCENARIOS
from tests.switches.routers import Routers

TOOLS = ("sipp", "dig", "kdig", "dnsperf")
_OWNED, _UNKNOWN, _AGING = "+14158867900", "+14158860000", "+14158867904"
_SUPPLEMENT = re.compile(r"^;; (Query time|WHEN|Received|From|ADDITIONAL|SERVER).*$\n?", re.MULTILINE)


def lacking() -> list[str]:
    """Return the tools that are not installed."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def outputs(routers: Routers, folder: Path) -> str:
    """Return the page's section of their outputs."""
    sections = [
        "## SIPp against the redirect server",
        *(_block(finding, f"sipp -t {way} …", sipp(routers.sip[0], folder, way)) for way, finding in SIPP.items()),
        "## dig and kdig against ENUM",
        *(_block(finding, " ".join(("dig", *asked)), dig(routers.enum[0], asked)) for asked, finding in DIG.items()),
        _block(
            "TCP with a cookie brings the same record.",
            " ".join(("kdig", *KDIG)),
            run("kdig", f"@127.0.0.1#{routers.enum[0]}", *KDIG),
        ),
        "## dnsperf against ENUM",
        *(
            _block(finding, f"dnsperf -m {mode} …", dnsperf(routers.enum[0], folder, mode))
            for mode, finding in DNSPERF.items()
        ),
    ]
    return "\n\n".join(sections) + "\n"


def name_of(number: str) -> str:
    """Return the domain name of an E.164 number."""
    return ".".join(reversed(number.removeprefix("+"))) + ".e164.arpa"


SIPP = {
    "u1": "Over UDP, all of a thousand calls to an owned number are redirected.",
    "t1": "Over TCP, so are a thousand calls of one connection.",
}
DIG = {
    ("+noall", "+answer", "+comments", "NAPTR", name_of(_OWNED)): "An owned number has a SIP URI of its account.",
    ("+short", "NAPTR", name_of(_UNKNOWN)): "A number without a document is refused with 404.",
    ("+short", "NAPTR", name_of(_AGING)): "A number that is out of service is refused with 480.",
    ("+noall", "+comments", "NAPTR", "4.3.2.1.example.org"): "A name of another zone is refused; EDE says why.",
    (
        *("+noall", "+comments", "+edns=1", "+noednsnegotiation", "NAPTR"),
        name_of(_OWNED),
    ): "A query of an unknown EDNS version gets BADVERS.",
    ("+noall", "+comments", "+opcode=NOTIFY", "NAPTR", name_of(_OWNED)): "Other operations than queries get NOTIMP.",
    ("+noall", "+comments", "CH", "TXT", "version.bind"): "The server's version is not disclosed.",
}
DNSPERF = {
    "udp": "Over UDP, every query of a run gets its response.",
    "tcp": "Over TCP, too.",
}
KDIG = ("+tcp", "+edns", "+cookie", "+noall", "+answer", "NAPTR", name_of(_OWNED))


def dig(port: int, arguments: Sequence[str]) -> str:
    """Return what dig says."""
    return run("dig", "@127.0.0.1", "-p", str(port), "+tries=1", *arguments)


def sipp(port: int, folder: Path, transport: str, calls: int = 1_000) -> str:
    """Return SIPp's last statistics of calls that are all redirected."""
    numbers = folder / "redirected.csv"
    numbers.write_text(f"SEQUENTIAL\n{_OWNED};\n")
    scenario = str(SCENARIOS / "redirected.xml")
    fixed = ("-sf", scenario, "-inf", str(numbers), "-m", str(calls), "-r", "200", "-nostdin", "-timeout", "60s")
    where = ("-t", transport, "-i", "127.0.0.1", "-p", str(free_port()), f"127.0.0.1:{port}")
    text = run("sipp", *fixed, *where, folder=folder)
    last = text.rpartition("Statistics Screen")[2]
    wanted = ("Total Calls", "Outgoing calls", "Successful call", "Failed call", "Retransmissions")
    lines = [line.rstrip() for line in last.splitlines() if any(word in line for word in wanted)]
    return "\n".join(lines)


def dnsperf(port: int, folder: Path, mode: str) -> str:
    """Return dnsperf's counts; its rates say nothing beside other programs."""
    queries = folder / "queries.txt"
    queries.write_text("".join(f"{name_of(number)} NAPTR\n" for number in NUMBERS if number.startswith("+")))
    text = run("dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(queries), "-n", "1000", "-m", mode)
    return "\n".join(
        line for line in text.splitlines() if re.search(r"Queries (sent|completed|lost)|Response codes", line)
    )


def run(*command: str, folder: Path | None = None) -> str:
    """Return the output of a command, without what differs in each run."""
    env = environment(TERM="dumb", HOME="/nonexistent")
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env, timeout=120, check=False)
    text = re.sub(r"(?<=, id: )\d+", "1", _SUPPLEMENT.sub("", done.stdout)).expandtabs(1)
    return "\n".join(line for line in text.splitlines() if line.strip() and not line.startswith("; <<>>"))


def _block(finding: str, command: str, text: str) -> str:
    return f"{finding}\n\n```console\n$ {command}\n{text}\n```"
