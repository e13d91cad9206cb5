"""`did-router recent`: the last refused and slow lookups of all workers."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.command import SERVE, Running, Start, run, run_all, serving
from tests.integration.certificates import CertAuthority


def refuse(service: Running, number: str = "+14158860000") -> None:
    run("lookup", "--target", service.target, number)


def test_recent_shows_refused_lookups_newest_first_with_why(service: Running) -> None:
    refuse(service, "+14158860001")
    refuse(service, "+14158860002")

    shown = run("recent", "--admin", service.admin, "--json", "--limit", "2")
    lines = [json.loads(line) for line in shown.out.splitlines()]
    table = run("recent", "--admin", service.admin)

    assert (shown.code, shown.err) == (0, "")
    assert [line["asked"] for line in lines] == ["+14158860002", "+14158860001"]
    assert {(line["result"], line["reason"], line["protocol"]) for line in lines} == {
        ("refusal", "NUMBER_NOT_FOUND", "grpc")
    }
    assert "there is no number document +14158860002" in table.out


def test_recent_has_no_number_where_none_was_normalised(service: Running) -> None:
    refuse(service, "no number")

    shown = run("recent", "--admin", service.admin, "--json", "--limit", "1")
    line = json.loads(shown.out)

    assert (line["asked"], line["number"], line["reason"]) == ("no number", None, "NOT_RECONCILABLE")


@pytest.mark.parametrize("text", ["1\nFORGED", "1\x1b[31m", "1" * 5000], ids=["line", "escape", "long"])
def test_recent_shows_no_text_that_harms_a_terminal(service: Running, text: str) -> None:
    run("lookup", "--target", service.target, "--dial-plan", text, text)

    line = json.loads(run("recent", "--admin", service.admin, "--json", "--limit", "1").out)

    assert line["asked"].startswith("1")
    for field in ("asked", "dial_plan", "message"):
        assert line[field].isprintable()
        assert len(line[field]) < 400


@pytest.mark.parametrize("admin", ["127.0.0.1:1", "http://127.0.0.1:1"])
def test_recent_without_a_service_says_where_it_asked(admin: str) -> None:
    result = run("recent", "--admin", admin)

    assert result.code == 3
    assert "no did-router answers at http://127.0.0.1:1" in result.err
    assert "admin_listen" in result.err


def test_recent_reads_https_with_a_certificate_of_a_private_authority(
    start: Start, stores: tuple[str, ...], tmp_path: Path
) -> None:
    authority = CertAuthority()
    certificate, key = authority.issue(tmp_path)
    ca, other = authority.write(tmp_path / "ca.pem"), CertAuthority().write(tmp_path / "other.pem")
    tls = ("--set", f"tls_certificate={certificate}", "--set", f"tls_key={key}", "--transport", "grpcio")
    running = serving(start(*SERVE, *tls, "--admin", "0.0.0.0:0", "--insecure", *stores))
    admin = f"localhost:{running.admin.rpartition(':')[2]}"
    run("lookup", "--target", running.target, "--tls-ca", str(ca), "+14158860003")

    shown = run_all(
        {
            "address": ["recent", "--admin", admin, "--tls-ca", str(ca)],
            "URL": ["recent", "--admin", f"https://{admin}", "--tls-ca", str(ca)],
            "no TLS": ["recent", "--admin", admin],
            "no authority": ["recent", "--admin", f"https://{admin}"],
            "another authority": ["recent", "--admin", admin, "--tls-ca", str(other)],
        }
    )

    assert [shown[name].code for name in ("address", "URL")] == [0, 0], shown
    assert all("there is no number document +14158860003" in shown[name].out for name in ("address", "URL"))
    assert "or it requires TLS: --tls-ca" in shown["no TLS"].complaint
    for name in ("no authority", "another authority"):
        assert shown[name].code == 3
        assert "CERTIFICATE_VERIFY_FAILED" in shown[name].complaint
        assert "a certificate of another authority: --tls-ca" in shown[name].complaint


def test_recent_where_something_else_answers_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, ThreadPoolExecutor(1) as pool:
        other.settimeout(30)
        answered = pool.submit(_answer_without_http, other)
        result = run("recent", "--admin", f"127.0.0.1:{other.getsockname()[1]}")
        answered.result()

    assert result.code == 3
    assert "no HTTP response: BadStatusLine" in result.complaint


def _answer_without_http(listener: socket.socket) -> None:
    with listener.accept()[0] as connection:
        connection.recv(1000)
        connection.sendall(b"\x15\x03\x01\r\n")


def test_recent_unusable_tls_ca_is_explained(tmp_path: Path) -> None:
    text = tmp_path / "text.pem"
    text.write_text("none")
    ca = CertAuthority().write(tmp_path / "ca.pem")
    result = run_all(
        {
            "missing": ["recent", "--tls-ca", str(tmp_path / "none.pem")],
            "text": ["recent", "--tls-ca", str(text)],
            "plain": ["recent", "--admin", "http://127.0.0.1:1", "--tls-ca", str(ca)],
        }
    )

    assert {each.code for each in result.values()} == {2}
    assert "none.pem: No such file" in result["missing"].complaint
    assert f"--tls-ca {text} has no PEM certificates" in result["text"].complaint
    assert "http://127.0.0.1:1 does not use: write https://" in result["plain"].complaint
