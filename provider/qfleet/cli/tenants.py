# SPDX-License-Identifier: Apache-2.0
"""The command that shows a tenant, and sets its weight."""

from __future__ import annotations

import click

from qfleet.cli.group import connect, json_option, url_option
from qfleet.cli.terminal import echo, write_json

__all__ = ["tenant"]


@click.command()
@click.argument("name")
@click.option("--weight", type=float, help="Set the weight, a number from 0.01 to 100.")
@url_option
@json_option
def tenant(name: str, weight: float | None, url: str | None, as_json: bool) -> None:
    """Show a tenant's weight and usage, or set the weight.

    Tenants that want more than there is get the fleet's time in proportion to their weights. A tenant has the weight 1
    unless it is set. What its jobs have used is shown in core seconds.

    \b
    Example:
      qfleet tenant optics
      qfleet tenant optics --weight 3
    """
    provider = connect(url)
    if weight is not None:
        provider.set_weight(name, weight)
    weight, usage = provider.weight(name), provider.usage(name)
    if as_json:
        write_json({"tenant": name, "weight": weight, "usage_seconds": usage})
    else:
        echo(f"Tenant {name} has the weight {weight:g}, and has used {usage:.1f} core seconds.")
