"""`make hostile`: what each attack does to the edge, with and without TLS, as a table; fails where one harms others."""

import sys

import click

from tests.abuse.attacks import attacks_on
from tests.abuse.harness import FRONTS, harness
from tests.abuse.trial import attempt

_HEAD = (
    "| attack | front | memory before → highest → after, MB | good caller: right | otherwise | worst "
    "| what the attacker saw | lines logged |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
)
_SETTLE = 1.0


@click.command()
@click.option("--seconds", type=float, default=3.0, help="For each attack.")
@click.option("--front", "fronts", multiple=True, default=FRONTS, type=click.Choice(FRONTS))
@click.option("--attack", "wanted", multiple=True, help="Only attacks whose name has this in it.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Settings of the service.")
def main(seconds: float, fronts: tuple[str, ...], wanted: tuple[str, ...], settings: tuple[str, ...]) -> None:
    """Attack real services, one attack after the other."""
    click.echo(_HEAD)
    more = [word for each in settings for word in ("--set", each)]
    faults = []
    for front in fronts:
        chosen = [each for each in attacks_on(front) if not wanted or any(word in each.name for word in wanted)]
        with harness(front, *more) as running:
            for attack in chosen:
                trial = attempt(running, attack, seconds, _SETTLE)
                click.echo(trial.row)
                faults += [f"{front}, {attack.name}: {fault}" for fault in trial.faults]
    for fault in faults:
        click.echo(fault, err=True)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
