# SPDX-License-Identifier: Apache-2.0
"""The Redis users of a fleet, as rules of access control lists.

An administrator and a worker may use all keys of qfleet. A tenant may read its own keys, and write its inbox: workers
do the rest. It may run no script, since a script can keep Redis busy for ever. Its rules need Redis 7 or Valkey.
"""

from __future__ import annotations

from typing import Final

from qfleet.wire.redis import keys

#: What an administrator and a worker may do.
FLEET_RULES: Final[tuple[str, ...]] = (
    f"~{keys.PREFIX}*",
    f"&{keys.PREFIX}*",
    *("+@read", "+@write", "+@pubsub", "+@transaction", "+@connection", "+eval", "+evalsha"),
    *("+script|load", "+script|exists", "+time", "-@dangerous"),
)
#: The commands of a tenant, on its own keys.
TENANT_COMMANDS: Final = (
    *("auth", "hello", "ping", "select", "client|setname", "multi", "exec", "discard", "time"),
    *("exists", "hexists", "hget", "hmget", "hset", "lpush", "blpop", "unlink"),
    *("zscore", "zrangebyscore", "zrevrangebyscore", "zrangebylex", "subscribe", "unsubscribe"),
)
#: The commands of a tenant on each key of the whole fleet that it may use.
_SHARED: Final = {
    keys.INBOXES: f"(~{keys.INBOXES} +sadd)",
    keys.BELL: f"(~{keys.BELL} +lpush)",
    keys.WORKERS: f"(%R~{keys.WORKERS} +hvals)",
}


def tenant_rules(tenant: str) -> tuple[str, ...]:
    """Return the rules of a tenant's user."""
    home = keys.home(tenant)
    own = (f"%R~{home}*", f"~{home}in:*", f"&{home}*")
    return (*own, *(f"+{name}" for name in TENANT_COMMANDS), *_SHARED.values())


def rule_of(key: str, tenant: str) -> str:
    """Return the rule that allows a tenant to use a key.

    Args:
        key: a key of the tenant, or one of those that all tenants use.
        tenant: the tenant.
    """
    home = keys.home(tenant)
    return _SHARED.get(key) or (f"~{home}in:*" if key.startswith(f"{home}in:") else f"%R~{home}*")


def set_user(name: str, rules: tuple[str, ...]) -> str:
    """Return the command that makes a user, as redis-cli reads it.

    Args:
        name: the user's name.
        rules: what it may do.
    """
    shown = (f'"{rule}"' if " " in rule else rule for rule in rules)
    return " ".join(("ACL SETUSER", name, "reset on >PASSWORD", *shown))
