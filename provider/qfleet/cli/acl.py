# SPDX-License-Identifier: Apache-2.0
"""The command that prints the Redis users of a fleet."""

from __future__ import annotations

import click

from qfleet.cli.group import json_option
from qfleet.cli.terminal import echo, write_json

__all__ = ["acl"]


@click.command()
@click.argument("tenant", required=False)
@json_option
def acl(tenant: str | None, as_json: bool) -> None:
    """Print the commands that make a fleet's users in Redis.

    Without TENANT these are the users of administrators and of workers, which may read and change all jobs. With TENANT
    it is the user of that name, which may use the jobs of this tenant alone. Replace PASSWORD. Tenants' users need
    Redis 7 or Valkey.

    \b
    Example:
      qfleet acl
      qfleet acl alice
    """
    from qfleet.wire.redis.acl import FLEET_RULES, set_user, tenant_rules
    from qfleet.wire.redis.references import MOST_TENANT_LETTERS, is_tenant

    users: dict[str, tuple[str, ...]]
    if tenant is None:
        users = {"qfleet-client": FLEET_RULES, "qfleet-worker": FLEET_RULES}
    elif is_tenant(tenant):
        users = {tenant: tenant_rules(tenant)}
    else:
        needed = f"at most {MOST_TENANT_LETTERS} letters, digits or the signs . _ @ - are needed"
        raise click.BadParameter(needed, param_hint="TENANT")
    if as_json:
        write_json({name: ["reset", "on", ">PASSWORD", *rules] for name, rules in users.items()})
    else:
        echo(*(set_user(name, rules) for name, rules in users.items()))
