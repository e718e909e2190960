# SPDX-License-Identifier: Apache-2.0
"""The command that shows a tenant, and sets its weight and quotas."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from qfleet.cli.group import connect, json_option, url_option
from qfleet.cli.terminal import echo, write_json

if TYPE_CHECKING:
    from qfleet.ledger.quotas import QuotaKeywords

__all__ = ["tenant"]


class _Most(click.ParamType[int]):
    """A whole number, or ``none`` for no limit."""

    name = "N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number; 0 for no limit."""
        text = str(value).lower()
        if text in ("0", "none"):
            return 0
        number = re.fullmatch(r"([0-9]{1,15})(?: ?([kmgt])i?b?)?", text)
        if number is None or (number[2] and self.name != "SIZE"):
            self.fail("a whole number, or none, is needed", param, ctx)
        return int(number[1]) << (10 * (1 + "kmgt".index(number[2])) if number[2] else 0)


class _Size(_Most):
    """A number of bytes such as ``500M``, or ``none``."""

    name = "SIZE"


@click.command()
@click.argument("name")
@click.option("--weight", type=float, help="Set the weight, a number from 0.01 to 100.")
@click.option("--running", type=_Most(), help="Let at most N tasks run at the same time; none for no limit.")
@click.option("--circuits", type=_Most(), help="Let jobs that have not ended have at most N circuits.")
@click.option("--bytes", "size", type=_Size(), help="Let them take at most SIZE bytes of Redis, such as 500M.")
@url_option
@json_option
def tenant(
    name: str,
    weight: float | None,
    running: int | None,
    circuits: int | None,
    size: int | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Show a tenant's weight, quotas and usage, or set the first two.

    Tenants that want more than there is get the fleet's time in proportion to their weights. A tenant has the weight 1
    unless it is set, and no quotas. A job that exceeds a quota fails at once. What its jobs have used is shown in core
    seconds.

    \b
    Example:
      qfleet tenant optics
      qfleet tenant optics --weight 3
      qfleet tenant optics --running 16 --circuits 100000 --bytes 2G
      qfleet tenant optics --circuits none
    """
    provider = connect(url)
    if weight is not None:
        provider.set_weight(name, weight)
    changed: QuotaKeywords = {}
    if running is not None:
        changed["running"] = running or None
    if circuits is not None:
        changed["circuits"] = circuits or None
    if size is not None:
        changed["bytes"] = size or None
    if changed:
        provider.set_quotas(name, **changed)
    weight, usage, quotas = provider.weight(name), provider.usage(name), provider.quotas(name)._asdict()
    if as_json:
        write_json({"tenant": name, "weight": weight, "usage_seconds": usage, "quotas": quotas})
        return
    echo(f"Tenant {name} has the weight {weight:g}, and has used {usage:.1f} core seconds.")
    for quota, most in quotas.items():
        if most is not None:
            echo(f"{quota + ':':<10}at most {most}")
