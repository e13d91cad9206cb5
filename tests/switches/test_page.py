"""The pages of the switches hold exactly the files that the tests run."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from tests.cli.command import ACCOUNTS, Running, environment
from tests.switches.programs import EXAMPLES, ROOT

PAGES = ("switches.md", "kamailio.md", "kamailio-enum-and-kemi.md", "asterisk.md", "freeswitch.md")
PAGE = "".join((ROOT / "docs" / name).read_text("utf-8") for name in PAGES)
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
FILES = {file.name: file.read_text("utf-8") for file in EXAMPLES.iterdir() if file.is_file()}


def test_every_configuration_of_the_page_is_a_whole_file() -> None:
    configurations = [text for language, text in BLOCKS if language not in {"python", "sh", "console"}]

    assert [text for text in configurations if text not in FILES.values()] == []
    shown = {name for name, text in FILES.items() if text in configurations}
    assert shown == {name for name in FILES if not name.endswith(".py")}


def test_every_file_is_linked() -> None:
    assert set(re.findall(r"\]\(examples/([\w.]+)\)", PAGE)) == set(FILES)


def test_python_of_the_page_finds_the_account(service: Running, tmp_path: Path) -> None:
    (snippet,) = (text for language, text in BLOCKS if language == "python")
    script = tmp_path / "page.py"
    script.write_text(snippet, "utf-8")
    env = environment(PYTHONPATH=f"{EXAMPLES}:{ROOT}", DID_LOOKUP_DEADLINE="5", DID_LOOKUP_TARGET=service.target)
    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=env, timeout=30, check=True)

    assert ran.stdout.split() == [ACCOUNTS[0], "+14158867900"]


def test_freeswitchs_dialplan_is_xml() -> None:
    extension = ET.fromstring(FILES["freeswitch_dialplan.xml"])

    applications = [action.get("application") for action in extension.iter("action")]
    assert applications == ["python", "transfer"]


def test_services_environment_names_what_the_client_reads() -> None:
    names = set(re.findall(r"^Environment=(\w+)=", FILES["kamailio_service.conf"], re.MULTILINE))
    read = {name for text in FILES.values() for name in re.findall(r'environ\.get\("(\w+)"', text)}

    assert names - {"PYTHONPATH"} <= read
    assert {name for name in read if f"`{name}`" not in PAGE} == set()
