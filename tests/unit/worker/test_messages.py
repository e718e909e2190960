# SPDX-License-Identifier: Apache-2.0
"""Only a shard, a ping or a revocation is read from a message, whatever else it says."""

from __future__ import annotations

import base64
import bz2
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu.transport.virtual import Message

from qfleet.wire.messages.work import RUN_SHARD
from qfleet_worker.messages import (
    MAX_SHARD_MESSAGE_BYTES,
    MessageError,
    control_message,
    named_shard,
    shard_message,
)

JOB = "0b7f0f0e-9b8e-4c7e-8a39-0b9f6c1d2e3f"
ID = f"{JOB}.12"


class _Channel:
    """A channel that kombu's message can be read with."""

    def decode_body(self, body: str, encoding: str) -> bytes:
        assert encoding == "base64"
        return base64.b64decode(body)


def _message(**headers: Any) -> dict[str, Any]:
    return {
        "body": base64.b64encode(json.dumps([["other", 1], {}, {}]).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": RUN_SHARD, "id": ID} | headers,
        "properties": {"delivery_tag": "a", "delivery_info": {}, "body_encoding": "base64"},
    }


def _content(message: dict[str, Any]) -> Any:
    return json.loads(base64.b64decode(message["body"]))


def test_a_message_names_a_shard() -> None:
    assert named_shard(json.dumps(_message()).encode()) == (JOB, 12)


def test_celery_reads_the_message_of_a_shard() -> None:
    found = shard_message(JOB, 12, "w@h/1/a", 1, tenant="alice")
    args, kwargs, embedded = _content(found)
    assert args == [JOB, 12, "w@h/1/a", 1]
    assert kwargs == {}
    assert set(embedded.values()) == {None}
    message = Message(found, channel=_Channel(), accept={"application/json"})
    assert message.payload[0] == args
    assert message.headers["id"] == ID
    assert message.headers["tenant"] == "alice"


@pytest.mark.parametrize(
    "headers",
    [
        {"timelimit": [1e9, None]},
        {"timelimit": [None, 0.001]},
        {"eta": "2999-01-01T00:00:00"},
        {"expires": "1999-01-01T00:00:00"},
        {"retries": 10**30},
        {"shadow": ["x"]},
        {"group": "g", "chord": {"task": "celery.chord_unlock"}},
        {"stamped_headers": ["a"], "stamps": {"a": [1]}},
        {"compression": "application/x-bz2"},
        {"origin": "\x1b]0;x\x07", "argsrepr": "x" * 10_000},
    ],
    ids=lambda headers: next(iter(headers)),
)
def test_nothing_else_of_a_message_counts(headers: dict[str, Any]) -> None:
    assert named_shard(json.dumps(_message(**headers) | {"properties": [], "body": 5}).encode()) == (JOB, 12)


def test_each_message_has_a_delivery_tag_of_its_own() -> None:
    tags = [shard_message(JOB, 12)["properties"]["delivery_tag"] for _ in range(2)]
    assert len(set(tags)) == 2


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "truncated"),
        (b"junk", "malformed"),
        (b"\xff\xfe", None),
        (b"[" * 60_000, None),
        (b'{"headers":' * 5_000, None),
        (b"null", "Expected `object`"),
        (b"{}", "headers"),
        (b'{"headers": 5}', "headers"),
        (json.dumps(_message(id=[1])).encode(), "headers.id"),
        (json.dumps(_message(id=None)).encode(), "headers.id"),
        (json.dumps(_message(id="x" * 300)).encode(), "256"),
        (json.dumps(_message(id="job")).encode(), "not the id of a shard"),
        (json.dumps(_message(id="job.-1")).encode(), "not the id of a shard"),
        (json.dumps(_message(id="job.12345678")).encode(), "not the id of a shard"),
        (json.dumps(_message(id="job:x.1")).encode(), "not the id of a shard"),
        (json.dumps(_message(id="jo\nb.1")).encode(), "not the id of a shard"),
        (json.dumps(_message(id="job.\u0661")).encode(), "not the id of a shard"),
        (json.dumps(_message(task="celery.map")).encode(), "for the task 'celery.map'"),
        (json.dumps(_message(task=5)).encode(), "headers.task"),
        (json.dumps(_message() | {"padding": "x" * MAX_SHARD_MESSAGE_BYTES}).encode(), "at most"),
        (bz2.compress(bytes(1 << 20)), None),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_names_no_shard_is_dropped(raw: bytes, why: str | None) -> None:
    with pytest.raises(MessageError, match=why):
        named_shard(raw)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@given(
    raw=st.binary(max_size=200) | _json.map(json.dumps).map(str.encode),
    headers=st.dictionaries(st.sampled_from(["id", "task", "compression", "timelimit"]), _json),
)
def test_anything_gives_a_message_for_a_shard_or_an_error(raw: bytes, headers: dict[str, Any]) -> None:
    for each in (raw, json.dumps({"headers": {"task": RUN_SHARD, "id": ID} | headers}).encode()):
        for read in (lambda raw: shard_message(*named_shard(raw)), control_message):
            try:
                found = read(each)
            except MessageError:
                continue
            assert msgspec.json.decode(msgspec.json.encode(found)) == found
            assert found["headers"].get("timelimit", [None, None]) == [None, None]


# --- Remote control ---


def _command(**fields: Any) -> bytes:
    content: dict[str, Any] = {"method": "ping", "arguments": {}, "destination": None, "pattern": None, "matcher": None}
    body = base64.b64encode(json.dumps(content | fields).encode()).decode()
    return json.dumps({"body": body, "headers": {"clock": 5}, "properties": {"body_encoding": "base64"}}).encode()


def test_a_ping_with_an_address_for_the_answer() -> None:
    reply_to = {"exchange": "reply.celery.pidbox", "routing_key": "r"}
    found = control_message(_command(reply_to=reply_to, ticket="t", destination=["a@host"]))
    assert _content(found) == {
        "method": "ping",
        "arguments": {},
        "destination": ["a@host"],
        "reply_to": reply_to,
        "ticket": "t",
    }
    assert found["headers"] == {"clock": 0, "expires": 0}


@pytest.mark.parametrize("ids", [[ID], ID])
def test_a_revocation_kills_and_does_nothing_else(ids: object) -> None:
    found = control_message(
        _command(method="revoke", arguments={"task_id": ids, "terminate": True, "signal": "SIGSTOP", "more": 1})
    )
    assert _content(found)["arguments"] == {"task_id": ids, "terminate": True}


@pytest.mark.parametrize(
    "fields",
    [
        {"method": "shutdown"},
        {"method": "pool_restart", "arguments": {"modules": ["os"], "reload": True}},
        {"method": "add_consumer", "arguments": {"queue": "other"}},
        {"method": "rate_limit"},
        {"method": "time_limit"},
        {"method": "stats"},
        {"method": ["revoke"]},
        {"method": None},
        {"method": "revoke"},
        {"method": "revoke", "arguments": {"task_id": [1]}},
        {"method": "revoke", "arguments": {"task_id": ["x" * 300]}},
        {"method": "revoke", "arguments": {"task_id": ID, "terminate": "yes"}},
        {"destination": 5},
        {"destination": "a@host"},
        {"pattern": "(a+)+$", "matcher": "pcre"},
        {"reply_to": {"exchange": "shards", "routing_key": "r"}, "ticket": "t"},
        {"reply_to": {"exchange": "reply.celery.pidbox", "routing_key": "r"}},
        {"ticket": "t"},
    ],
    ids=str,
)
def test_other_commands_are_dropped(fields: dict[str, Any]) -> None:
    with pytest.raises(MessageError):
        control_message(_command(**fields))


@pytest.mark.parametrize(
    "changed",
    [
        {"headers": {"compression": "application/x-bz2"}},
        {"properties": {}},
        {"properties": {"body_encoding": "hex"}},
        {"body": "!"},
        {"body": 5},
        {"body": base64.b64encode(b"[" * 60_000).decode()},
        {"body": base64.b64encode(b"\xff\xfe").decode()},
    ],
    ids=str,
)
def test_other_wrappings_are_dropped(changed: dict[str, Any]) -> None:
    with pytest.raises(MessageError):
        control_message(json.dumps(json.loads(_command()) | changed).encode())
