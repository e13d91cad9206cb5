"""The commands create, reserve, move, release, delete, update and assign-to-app of `did-router number`."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from router.bulk import number_rows
from router.cli.number import output
from router.cli.number.fields import public_fields
from router.cli.options import RESULTS, as_text, settings_options
from router.cli.shared_options import auth_by_option
from router.lifecycle.operations import SYSTEM, Operation, OperationRequest
from router.manager.manager import NumberManager
from router.numbers.states import State
from router.runtime.chunked import chunked
from router.settings import Settings
from router.stores.clients import Stores

_BATCH_SIZE = 1000

_STATES = [state.value for state in (State.IN_SERVICE, State.RESERVED, State.PORT_IN, State.AVAILABLE, State.AGING)]
"""States in which a number can be created."""


def _operation_command(command: Callable[..., OperationRequest]) -> Callable[..., Any]:
    """Make a command from a function that builds its request; it takes numbers, or a file with one per line."""

    @auth_by_option
    @click.option("--dry-run", is_flag=True, help="Report what would happen; change nothing.")
    @click.option(
        "--file",
        type=click.Path(path_type=Path, dir_okay=False, allow_dash=True, exists=True),
        help="File with one number per line; - for standard input.",
    )
    @click.option(
        "--output",
        type=RESULTS,
        help="With --file: file for the results, one JSON object per line (default: FILE.results.jsonl). "
        "An existing one is resumed.",
    )
    @click.option(
        "--json", "as_lines", is_flag=True, help="Print one JSON object per number (with --file: only the totals)."
    )
    @click.argument("numbers", nargs=-1)
    @settings_options
    @functools.wraps(command)
    def wrapped(
        settings: Settings,
        numbers: tuple[str, ...],
        file: Path | None,
        output: Path | None,
        *,
        auth_by: str,
        dry_run: bool,
        as_lines: bool,
        **rest: Any,
    ) -> None:
        if bool(numbers) == (file is not None):
            raise click.UsageError("give numbers, or --file", click.get_current_context())
        if output is not None and file is None:
            raise click.UsageError("--output needs --file", click.get_current_context())
        request = replace(command(**rest), auth_by=auth_by, dry_run=dry_run)
        if file is None:
            _carry_out(settings, request, numbers, as_lines=as_lines)
            return
        from router.cli.bulk import run_file  # noqa: PLC0415 - progress bars and threads that few commands need

        run_file(
            settings,
            file,
            output,
            _options(request),
            lambda opened: number_rows.read(opened, request),
            as_json=as_lines,
        )

    return wrapped


def _carry_out(settings: Settings, request: OperationRequest, numbers: Sequence[str], *, as_lines: bool) -> None:
    manager = NumberManager(settings, Stores(settings))
    texts = [as_text(number) for number in numbers]
    outcomes = []
    for batch in chunked(texts, _BATCH_SIZE):
        outcomes += manager.carry_out([replace(request, number=text) for text in batch])
    output.show(texts, outcomes, dry_run=request.dry_run, as_lines=as_lines)
    raise SystemExit(output.exit_code(outcomes))


def _options(request: OperationRequest) -> dict[str, Any]:
    """Return the options that the results' first line names."""
    return {
        "command": f"number {request.operation.value}",
        "auth_by": request.auth_by,
        "assign_to": request.assign_to,
        "state": request.state,
        "module_name": request.module_name,
        "fields": request.public_fields,
        "merge": request.merge,
        "ported_in": request.ported_in,
        "used_by": request.used_by,
        "dry_run": request.dry_run,
    }


def _assign_to(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--assign-to", metavar="ID", help="Account that gets the number.")(command)


def _fields(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--field",
        "fields",
        multiple=True,
        metavar="NAME=VALUE",
        help="Public field, such as prepend.name=Sales; values true, false, null and JSON are parsed. "
        "Or a JSON object of fields. Repeatable.",
    )(command)


def _mdn(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--mdn-run", is_flag=True, help="Allow changes of mobile numbers (knm_mdn), and of no others.")(
        command
    )


@click.command("create")
@_assign_to
@click.option("--state", type=click.Choice(_STATES), help="State of the new number (default: in_service).")
@click.option("--module", "module_name", metavar="NAME", help="Carrier module (default: the configured one).")
@click.option("--ported-in", is_flag=True, help="The number was ported in: in service at once, for any caller.")
@_fields
@_mdn
@_operation_command
def create_number(
    assign_to: str | None,
    state: str | None,
    module_name: str | None,
    fields: tuple[str, ...],
    *,
    ported_in: bool,
    mdn_run: bool,
) -> OperationRequest:
    """Create a number that has no document yet; it is in service unless --state says otherwise.

    \b
      did-router number create --assign-to 4cad0b7f… 4158867900
      did-router number create --assign-to 4cad0b7f… --state port_in +14158867900 +14158867901
      did-router number create --assign-to 4cad0b7f… --field prepend.enabled=true --field prepend.name=Sales 4158867900
    """  # noqa: D301
    return OperationRequest(
        Operation.CREATE,
        "",
        SYSTEM,
        assign_to=assign_to,
        state=state,
        module_name=module_name,
        public_fields=public_fields(fields),
        ported_in=ported_in,
        mdn_run=mdn_run,
    )


@click.command("reserve")
@_assign_to
@_fields
@_mdn
@_operation_command
def reserve_number(assign_to: str | None, fields: tuple[str, ...], *, mdn_run: bool) -> OperationRequest:
    """Reserve a number for an account. A later owner's release returns it to this account.

    \b
      did-router number reserve --assign-to 4cad0b7f… 4158867900
    """  # noqa: D301
    return OperationRequest(
        Operation.RESERVE, "", SYSTEM, assign_to=assign_to, public_fields=public_fields(fields), mdn_run=mdn_run
    )


@click.command("move")
@_assign_to
@_fields
@_mdn
@_operation_command
def move_number(assign_to: str | None, fields: tuple[str, ...], *, mdn_run: bool) -> OperationRequest:
    """Assign a number to an account and put it in service.

    \b
      did-router number move --assign-to 4cad0b7f… 4158867900
      did-router number move --assign-to 4cad0b7f… --file numbers.txt
    """  # noqa: D301
    return OperationRequest(
        Operation.MOVE, "", SYSTEM, assign_to=assign_to, public_fields=public_fields(fields), mdn_run=mdn_run
    )


@click.command("release")
@_mdn
@_operation_command
def release_number(*, mdn_run: bool) -> OperationRequest:
    """Release a number: to the account that reserved it before, else to the released state (knm_local: deleted).

    \b
      did-router number release --auth-by 4cad0b7f… 4158867900
      did-router number release --dry-run 4158867900
    """  # noqa: D301
    return OperationRequest(Operation.RELEASE, "", SYSTEM, mdn_run=mdn_run)


@click.command("delete")
@_operation_command
def delete_number() -> OperationRequest:
    """Delete a number's document, whatever its state; for administrators.

    \b
      did-router number delete 4158867900
    """  # noqa: D301
    return OperationRequest(Operation.DELETE, "", SYSTEM)


@click.command("update")
@_fields
@click.option(
    "--replace", "replaces", is_flag=True, help="Replace all public fields, instead of merging these into them."
)
@click.option(
    "--used-by", metavar="APP", help="Set the application that uses the number, and nothing else (see assign-to-app)."
)
@_mdn
@_operation_command
def update_number(fields: tuple[str, ...], used_by: str | None, *, replaces: bool, mdn_run: bool) -> OperationRequest:
    """Change a number's public fields, which switch features on and off; null removes a field.

    \b
      did-router number update --field prepend.enabled=true --field prepend.name=Sales 4158867900
      did-router number update --field prepend=null 4158867900
      did-router number update --field '{"ringback": {"early": "ab12cd34"}}' 4158867900
    """  # noqa: D301
    if used_by is not None:
        if fields or replaces:
            raise click.UsageError("--used-by goes alone: run it once more for fields", click.get_current_context())
        return OperationRequest(Operation.ASSIGN_TO_APP, "", SYSTEM, used_by=used_by or None)
    given = public_fields(fields)
    if given is None and not replaces:
        raise click.UsageError("say what to change: --field NAME=VALUE", click.get_current_context())
    return OperationRequest(
        Operation.UPDATE, "", SYSTEM, public_fields=given or {}, merge=not replaces, mdn_run=mdn_run
    )


@click.command("assign-to-app")
@click.option(
    "--used-by", required=True, metavar="APP", help="Application: callflow, trunkstore, mobile …; empty: none."
)
@_operation_command
def assign_to_app_number(used_by: str) -> OperationRequest:
    """Set the application that uses a number.

    \b
      did-router number assign-to-app --used-by callflow 4158867900
    """  # noqa: D301
    return OperationRequest(Operation.ASSIGN_TO_APP, "", SYSTEM, used_by=used_by or None)
