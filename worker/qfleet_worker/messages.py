# SPDX-License-Identifier: Apache-2.0
"""The messages that Celery gets: each is made here.

Anything with access to Redis can write anything there. Celery and kombu trust a message: they decompress it, take time
limits and callbacks from it, and end the worker if a type is wrong. So only the shard, or the revocation, is read from
a message, and Celery gets a new message.

`tests/integration/test_hostile_messages.py` fails if another version of kombu differs.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any, Final, Literal

import msgspec
from kombu.utils.uuid import uuid
from msgspec import Meta, Struct

from qfleet.wire.limits import MAX_SHARDS
from qfleet.wire.messages.work import RUN_SHARD
from qfleet.wire.redis.keys import QUEUE
from qfleet.wire.redis.states import MOST_TASK_ID_LETTERS, shard_of, task_id

#: A shard's message has about 1,300 bytes. A revocation can name many shards.
MAX_SHARD_MESSAGE_BYTES: Final = 64 * 1024
MAX_CONTROL_MESSAGE_BYTES: Final = 64 * 1024 * 1024

_TaskId = Annotated[str, Meta(max_length=MOST_TASK_ID_LETTERS)]
_Name = Annotated[str, Meta(max_length=200)]


class MessageError(ValueError):
    """A message isn't one of qfleet's; the text says why."""


class _Headers(Struct, frozen=True):
    id: _TaskId
    task: _Name


class _ShardMessage(Struct, frozen=True):
    headers: _Headers


class _ControlHeaders(Struct, frozen=True):
    compression: None = None


class _ControlProperties(Struct, frozen=True):
    body_encoding: Literal["base64"]


class _ControlMessage(Struct, frozen=True):
    body: str
    properties: _ControlProperties
    headers: _ControlHeaders = _ControlHeaders()


class _ReplyTo(Struct, frozen=True):
    exchange: Literal["reply.celery.pidbox"]
    routing_key: _Name


class _Revocation(Struct, frozen=True):
    task_id: Annotated[list[_TaskId], Meta(max_length=MAX_SHARDS)] | _TaskId
    terminate: bool = False


class _Revoke(Struct, frozen=True, tag_field="method", tag="revoke"):
    arguments: _Revocation
    destination: Annotated[list[_Name], Meta(max_length=10_000)] | None = None
    pattern: None = None
    matcher: None = None
    reply_to: _ReplyTo | None = None
    ticket: _Name | None = None


class _Ping(Struct, frozen=True, tag_field="method", tag="ping"):
    destination: Annotated[list[_Name], Meta(max_length=10_000)] | None = None
    pattern: None = None
    matcher: None = None
    reply_to: _ReplyTo | None = None
    ticket: _Name | None = None


_shard_decoder = msgspec.json.Decoder(_ShardMessage)
_control_decoder = msgspec.json.Decoder(_ControlMessage)
_command_decoder: msgspec.json.Decoder[_Revoke | _Ping] = msgspec.json.Decoder(_Revoke | _Ping)


def named_shard(raw: bytes) -> tuple[str, int]:
    """Return the job and index of the shard in a queue message.

    Raises:
        MessageError: the message doesn't name a shard.
    """
    headers = _decoded(raw, _shard_decoder, MAX_SHARD_MESSAGE_BYTES).headers
    if headers.task != RUN_SHARD:
        raise MessageError(f"it is for the task {headers.task!r}")
    shard = shard_of(headers.id)
    if shard is None:
        raise MessageError(f"{headers.id!r} is not the id of a shard")
    return shard


def shard_message(job_id: str, index: int, *given: object, **headers: object) -> dict[str, Any]:
    """Return a Celery message for a shard.

    Args:
        job_id: the shard's job.
        index: the shard's place in the job.
        given: the further arguments of the task.
        headers: data that stays in this process, for the task's request.
    """
    name = task_id(job_id, index)
    embedded = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    return _message(
        [(job_id, index, *given), {}, embedded],
        headers={
            "lang": "py",
            "task": RUN_SHARD,
            "id": name,
            "root_id": name,
            "parent_id": None,
            "argsrepr": repr((job_id, index)),
            "kwargsrepr": "{}",
            "ignore_result": True,
            "retries": 0,
            "timelimit": [None, None],
            **headers,
        },
        correlation_id=name,
        routing_key=QUEUE,
    )


def control_message(raw: bytes) -> dict[str, Any]:
    """Return a Celery message for the command ``ping`` or ``revoke``.

    ``revoke`` always kills by SIGKILL.

    Raises:
        MessageError: the message is neither of these commands.
    """
    outer = _decoded(raw, _control_decoder, MAX_CONTROL_MESSAGE_BYTES)
    try:
        body = base64.b64decode(outer.body, validate=True)
    except ValueError as exc:
        raise MessageError(f"its body isn't base64: {exc}") from exc
    command = _decoded(body, _command_decoder, MAX_CONTROL_MESSAGE_BYTES)
    arguments: dict[str, Any] = {}
    if isinstance(command, _Revoke):
        arguments = {"task_id": command.arguments.task_id, "terminate": command.arguments.terminate}
    if (command.reply_to is None) != (command.ticket is None):
        raise MessageError("it has an address for an answer without a ticket, or the other way round")
    content: dict[str, Any] = {
        "method": "revoke" if arguments else "ping",
        "arguments": arguments,
        "destination": command.destination,
    }
    if command.reply_to is not None:
        content |= {"reply_to": msgspec.to_builtins(command.reply_to), "ticket": command.ticket}
    return _message(content, headers={"clock": 0, "expires": 0}, correlation_id=None, routing_key="")


def _decoded(raw: bytes, decoder: msgspec.json.Decoder[Any], most_bytes: int) -> Any:
    if len(raw) > most_bytes:
        raise MessageError(f"it has {len(raw)} bytes; at most {most_bytes} are read")
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise MessageError(str(exc)) from exc


def _message(body: object, *, headers: dict[str, Any], correlation_id: str | None, routing_key: str) -> dict[str, Any]:
    return {
        "body": base64.b64encode(msgspec.json.encode(body)).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": {
            "correlation_id": correlation_id,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": routing_key},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": uuid(),
        },
    }
