# SPDX-License-Identifier: Apache-2.0
"""A client's tenant: the Redis user, else a name that is given, else the login name."""

from __future__ import annotations

import copy
import getpass

import pytest

from qfleet import FleetProvider
from qfleet.errors import InvalidOptionError
from qfleet.settings import Settings, choose_tenant
from qfleet.wire.redis.broker import parse_broker
from qfleet.wire.redis.references import is_tenant


@pytest.mark.parametrize(
    ("url", "given", "setting", "tenant"),
    [
        ("redis://ada:pw@h/0", None, "", "ada"),
        ("redis://h/0?username=ada&password=pw", None, "lab", "ada"),
        ("redis://ada:pw@h/0", "ada", "lab", "ada"),
        ("redis://a%2Fb%20c:pw@h/0", None, "", "a-b-c"),
        (f"redis://{'u' * 70}:pw@h/0", None, "", "u" * 64),
        ("redis://default:pw@h/0", None, "lab", "lab"),
        ("redis://:pw@h/0?tenant=bob", None, "lab", "bob"),
        ("redis+socket:///r.sock?tenant=bob", None, "", "bob"),
        ("sentinel://h/0?master_name=m&tenant=bob", None, "", "bob"),
        ("redis://h/0?tenant=bob", "eve@lab.org", "lab", "eve@lab.org"),
        ("redis://h/0", None, "lab", "lab"),
    ],
)
def test_the_tenant_is_the_first_that_is_known(url: str, given: str | None, setting: str, tenant: str) -> None:
    assert choose_tenant(parse_broker(url), given, setting) == tenant


@pytest.mark.parametrize(
    ("login", "tenant"), [("ada", "ada"), ("LAB\\ada lovelace", "LAB-ada-lovelace"), ("jörg", "j-rg")]
)
def test_without_a_name_it_is_the_login(login: str, tenant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: login)
    assert choose_tenant(parse_broker("redis://h/0"), None, "") == tenant


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nobody)
    name = choose_tenant(parse_broker("redis://h/0"), None, "")
    assert name.startswith("uid-")
    assert is_tenant(name)


@pytest.mark.parametrize("name", ["", "a b", "ü", "a:b", "a/b", "x" * 65, "a\n", 7])
def test_a_name_that_no_tenant_has_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidOptionError, match=r"tenant=.*64 letters") as caught:
        FleetProvider("redis://h/0", tenant=name)
    assert caught.value.option == "tenant"
    if isinstance(name, str) and name:
        with pytest.raises(InvalidOptionError, match=r"QFLEET_TENANT=.*64 letters"):
            Settings.from_environment({"QFLEET_TENANT": name})


@pytest.mark.parametrize("text", ["", "a%20b", "a:b", "x" * 65])
def test_a_url_with_such_a_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidOptionError, match="tenant"):
        FleetProvider(f"redis://h/0?tenant={text}")


@pytest.mark.parametrize(("url", "given"), [("redis://ada:pw@h/0", "bob"), ("redis://ada:pw@h/0?tenant=bob", None)])
def test_a_redis_user_is_no_other_tenant(url: str, given: str | None) -> None:
    with pytest.raises(InvalidOptionError, match=r"tenant='bob'.*name no other"):
        FleetProvider(url, tenant=given)


def test_redis_is_never_told_of_it() -> None:
    broker = parse_broker("redis://h/0?tenant=bob")
    assert broker.tenant == "bob"
    assert "tenant" not in broker.client_options
    assert "bob" not in broker.celery_url


def test_a_copy_has_the_same_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QFLEET_TENANT", raising=False)
    provider = FleetProvider("redis://h/0", tenant="bob")
    monkeypatch.setenv("QFLEET_TENANT", "lab")
    assert copy.copy(provider).tenant == provider.tenant == "bob"
    assert provider.get_backend()._connection.tenant == "bob"
