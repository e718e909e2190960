# SPDX-License-Identifier: Apache-2.0
"""The messages that Celery gets: each is made here.

Redis has tokens, each of which says only that a shard waits, and a control channel. A `Binder` says to which tokens a
worker listens now, and chooses the shard when a token comes: not before a process is free to run it.

Anything with access to Redis can write anything there. Celery and kombu trust a message: they decompress it, take time
limits and callbacks from it, and end the worker if a type is wrong. So this module reads only the shard, or the
revocation, from a message, and gives Celery a message of its own.

Written for kombu 5.7. `tests/integration/test_hostile_messages.py` fails if another version differs.
"""

from __future__ import annotations

import base64
import logging
from queue import Empty
from time import monotonic
from typing import Annotated, Any, Final, Literal, Protocol

import msgspec
from kombu.transport import redis as kombu_redis
from kombu.utils.uuid import uuid
from msgspec import Meta, Struct

from qfleet.wire.limits import MAX_SHARDS
from qfleet.wire.messages.work import RUN_SHARD
from qfleet.wire.redis.broker import Broker
from qfleet.wire.redis.keys import PREFIX, QUEUE
from qfleet.wire.redis.states import MOST_TASK_ID_LETTERS, shard_of, task_id

logger = logging.getLogger(__name__)

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


class Binder(Protocol):
    """The choice of what runs next, as a channel uses it.

    See `qfleet_worker.lifecycle.binder.LateBinder`.
    """

    def lists(self) -> list[str]:
        """Return the keys of the lists to wait for now.

        There are none if nothing could run.
        """
        ...

    def bind(self, key: str, raw: bytes) -> dict[str, Any] | None:
        """Return a Celery message for the shard that runs next.

        Args:
            key: the key of a list.
            raw: the entry that was taken off it.

        Returns:
            ``None`` if no shard can run now.

        Raises:
            MessageError: the entry names no shard.
        """
        ...

    def put_back(self, key: str, raw: bytes) -> None:
        """Put an entry back on its list."""
        ...


class _LateChannel:
    """A mixin for kombu's channels: late binding, and checked messages."""

    #: A token, or a started shard, is found by the search for lost shards. No list of kombu's has it.
    do_restore = False
    binder: Binder
    brpop_timeout: float
    _closing: bool
    _brpop_sent_at: Any
    _in_poll: Any
    client: Any
    connection: Any
    connection_errors: tuple[type[Exception], ...]
    active_queues: list[str]
    active_fanout_queues: set[str]
    _in_listen: Any
    subclient: Any

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Wait for an entry of the lists that count now."""
        lists = self.binder.lists() if self.active_queues else []
        if not lists:
            return  # kombu asks again at the next turn of its loop
        self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()
        self.client.connection.send_command("BRPOP", *lists, timeout or self.brpop_timeout)

    def _brpop_read(self, **options: Any) -> bool:
        """Read the answer to BRPOP, and deliver a message for a shard."""
        try:
            try:
                answer = self.client.parse_response(self.client.connection, "BRPOP", **options)
            except self.connection_errors:
                # The next round connects again.
                self.client.connection.disconnect()
                raise
            if not answer:
                raise Empty
            # kombu has removed the prefix.
            message = self._bound(PREFIX + answer[0].decode(), answer[1])
            if message is None:
                return False
            self.connection._deliver(message, QUEUE)
            return True
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()  # type: ignore[attr-defined]

    def _bound(self, key: str, raw: bytes) -> dict[str, Any] | None:
        if self._closing or not self.active_queues:
            self.binder.put_back(key, raw)
            return None
        try:
            return self.binder.bind(key, raw)
        except MessageError as exc:
            _log_dropped(key, raw, exc)
            return None

    def _handle_message(self, client: Any, response: Any) -> dict[str, Any]:
        """Return a message of the control channel as kombu reads it.

        A message that must be dropped has no data.
        """
        payload: dict[str, Any] = super()._handle_message(client, response)  # type: ignore[misc]
        if payload["type"] == b"message":
            raw = payload["data"]
            try:
                payload["data"] = msgspec.json.encode(control_message(raw))
            except MessageError as exc:
                _log_dropped("the control channel", raw, exc)
                payload["data"] = b""
        return payload

    # A pattern may limit the channels of a Redis user. It allows SUBSCRIBE to any channel that matches, but PSUBSCRIBE
    # to exactly this pattern only.

    def _subscribe(self) -> None:
        topics = [topic for queue in self.active_fanout_queues for topic in self._get_subscribe_topics(queue)]  # type: ignore[attr-defined]
        if not topics:
            return
        client = self.subclient
        if client.connection._sock is None:
            client.connection.connect()
        self._in_listen = client.connection
        client.subscribe(*topics)

    def _unsubscribe_from(self, queue: str) -> None:
        client = self.subclient
        if client.connection and client.connection._sock:
            client.unsubscribe(*self._get_subscribe_topics(queue))  # type: ignore[attr-defined]


def _log_dropped(place: str, raw: bytes, why: MessageError) -> None:
    logger.warning("dropped a message from %s: %.300s; it begins with %r", place, ascii(str(why))[1:-1], raw[:60])


class _Channel(_LateChannel, kombu_redis.Channel):
    from_transport_options: Any = (*kombu_redis.Channel.from_transport_options, "binder")


class Transport(kombu_redis.Transport):
    """kombu's Redis transport with late binding and checked messages."""

    Channel = _Channel


class SocketTransport(Transport):
    """The same transport for a unix socket.

    kombu passes on its url whole.
    """

    can_parse_url = True


class _SentinelChannel(_LateChannel, kombu_redis.SentinelChannel):
    from_transport_options: Any = (*kombu_redis.SentinelChannel.from_transport_options, "binder")


class SentinelTransport(kombu_redis.SentinelTransport):
    """The same transport for a Redis that Sentinels name."""

    Channel = _SentinelChannel


def transport_settings(broker: Broker) -> dict[str, str]:
    """Return the Celery settings that choose a transport of this module.

    A channel gets its `Binder` from the option ``binder`` of Celery's ``broker_transport_options``.
    """
    transport: type = Transport
    if broker.sentinels:
        transport = SentinelTransport
    elif "unix_socket_path" in broker.client_options:
        transport = SocketTransport
    # kombu takes the text before a "+" for the name of its own transport.
    return {
        "broker_url": broker.celery_url.removeprefix("redis+"),
        "broker_transport": f"{__name__}:{transport.__name__}",
    }
