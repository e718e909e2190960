# SPDX-License-Identifier: Apache-2.0
"""The transport by which Celery gets the shards chosen for it.

Redis has tokens, each of which says only that a shard waits, and a control channel. A `Binder` says to which tokens a
worker listens now, and chooses the shard when a token comes: not before a process is free to run it.

Written for kombu 5.7.
"""

from __future__ import annotations

import logging
from queue import Empty
from time import monotonic
from typing import Any, Protocol

import msgspec
from kombu.transport import redis as kombu_redis
from redis.exceptions import ResponseError

from qfleet.wire.redis.broker import Broker
from qfleet.wire.redis.keys import PREFIX, QUEUE
from qfleet_worker.messages import MessageError, control_message
from qfleet_worker.picked import Question

logger = logging.getLogger(__name__)


class Binder(Protocol):
    """The choice of what runs next, as a channel uses it.

    See `qfleet_worker.lifecycle.binder.LateBinder`.
    """

    def lists(self) -> list[str]:
        """Return the keys of the lists to wait for now.

        There are none if nothing could run.
        """
        ...

    def question(self) -> Question | None:
        """Return the choice of a shard that needs no token.

        It is ``None`` if an entry of `lists` shall be waited for.
        """
        ...

    def chosen(self, question: Question, answer: Any, *, stopped: bool = False) -> dict[str, Any] | None:
        """Return a Celery message for the shard that Redis chose.

        Args:
            question: the choice.
            answer: Redis's answer to its command, or Redis's error.
            stopped: whether nothing may run any more.

        Returns:
            ``None`` if no shard can run now.

        Raises:
            MessageError: the answer names no shard.
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
    #: the choice that Redis was asked for; ``None`` if it waits for an entry
    _question: Question | None = None

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Ask for the next shard, or wait for an entry."""
        if not self.active_queues:
            return
        self._question = self.binder.question()
        if self._question is not None:
            command = self._question.command
        elif lists := self.binder.lists():
            command = ("BRPOP", *lists, timeout or self.brpop_timeout)
        else:
            return  # kombu asks again at the next turn of its loop
        self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()
        self.client.connection.send_command(*command)

    def _brpop_read(self, **options: Any) -> bool:
        """Read the answer, and deliver a message for a shard."""
        try:
            answer: Any
            try:
                name = "EVALSHA" if self._question else "BRPOP"
                answer = self.client.parse_response(self.client.connection, name, **options)
            except self.connection_errors:
                # The next round connects again.
                self.client.connection.disconnect()
                raise
            except ResponseError as exc:
                if not self._question:
                    raise
                answer = exc
            message = self._message_of(answer)
            if message is None:
                return False
            self.connection._deliver(message, QUEUE)
            return True
        finally:
            self._in_poll = None
            self._flush_brpop_reauth()  # type: ignore[attr-defined]

    def _message_of(self, answer: Any) -> dict[str, Any] | None:
        stopped = self._closing or not self.active_queues
        place, raw = "a choice", b""
        try:
            if self._question:
                return self.binder.chosen(self._question, answer, stopped=stopped)
            if not answer:
                raise Empty
            # kombu has removed the prefix.
            place, raw = PREFIX + answer[0].decode(), answer[1]
            if not stopped:
                return self.binder.bind(place, raw)
            self.binder.put_back(place, raw)
        except MessageError as exc:
            _log_dropped(place, raw, exc)
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
