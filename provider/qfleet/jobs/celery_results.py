# SPDX-License-Identifier: Apache-2.0
"""Celery's view of jobs: a result backend that reads the ledger.

A shard is a Celery task with the id ``<job id>.<index>``. Its state and its result are read from the ledger, the only
record of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Final, NoReturn

from celery import Celery
from celery.backends.base import BaseBackend
from celery.exceptions import ImproperlyConfigured, TaskRevokedError
from celery.exceptions import TimeoutError as CeleryTimeoutError
from celery.result import GroupResult

from qfleet.errors import FleetJobTimeoutError, JobFailedError, JobNotFoundError
from qfleet.jobs.shard_values import shard_values
from qfleet.jobs.waiting import Deadline, watch
from qfleet.ledger import Connection
from qfleet.settings import Settings, choose_tenant
from qfleet.wire.redis.broker import celery_settings, parse_broker
from qfleet.wire.redis.references import id_of
from qfleet.wire.redis.states import FINAL_STATES, shard_of, task_id

_BACKEND: Final = f"{__name__}.LedgerBackend"
#: The number of jobs whose references are remembered.
_REMEMBERED: Final = 1000


def celery_app(url: str) -> Celery:
    """Return a Celery app whose results are the shards of a fleet.

    ``AsyncResult("<job id>.<index>", app=app)`` has the state of a shard and its result, and
    ``GroupResult.restore("<job id>", app=app)`` all shards of a job. The result is a list with a dict for each circuit
    of the shard, see `qfleet.jobs.shard_values.shard_values`.

    Args:
        url: the fleet's Redis, as for `qfleet.FleetProvider`.

    Raises:
        qfleet.wire.redis.broker.BrokerUrlError: the url is wrong.
    """
    broker = parse_broker(url)
    app = Celery("qfleet", set_as_current=False)
    app.conf.update(celery_settings(broker))
    app.conf.result_backend = f"{_BACKEND}+{url}"
    return app


class LedgerBackend(BaseBackend):
    """A Celery result backend that reads the ledger.

    Workers write to the ledger by scripts of their own, so the backend stores nothing.
    """

    supports_native_join = True
    supports_autoexpire = True
    persistent = True
    #: Connections are safe in threads.
    thread_safe: ClassVar[bool] = True

    def __init__(self, app: Any, url: str, **options: Any) -> None:
        super().__init__(app, url=url, **options)
        broker = parse_broker(url)
        self._connection = Connection(broker, choose_tenant(broker, None, Settings.from_environment().tenant))
        #: references of jobs by their ids
        self._refs: dict[str, str] = {}

    def __reduce__(self, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        return super().__reduce__(args, (kwargs or {}) | {"url": self._connection.broker.url})

    def as_uri(self, include_password: bool = False) -> str:
        """Return the url; without its secrets unless asked for."""
        broker = self._connection.broker
        return f"{_BACKEND}+{broker.url if include_password else broker}"

    def _get_task_meta_for(self, task_id: str) -> dict[str, Any]:
        shard = self._shard(task_id)
        # Celery takes an unknown task for one that waits.
        state, error = self._state(task_id)
        state = state or "PENDING"
        meta = _Meta(status=state, task_id=task_id, traceback=None, children=[], date_done=None)
        if state not in FINAL_STATES:
            meta["result"] = None
        elif shard:
            meta.read = lambda: self._outcome(state, error, *shard)
        return meta

    def _state(self, task_id: str) -> tuple[str | None, str]:
        """Return a task's state and its error.

        The state is ``None`` if no shard has the task's id.
        """
        shard = self._shard(task_id)
        if shard is None:
            return None, ""
        with self._connection.ledger() as ledger:
            return ledger.shard_state(*shard)

    def _shard(self, task_id: str) -> tuple[str, int] | None:
        """Return the reference of a task's job, and the shard's index.

        It is ``None`` if no shard has the task id.
        """
        shard = shard_of(task_id)
        if shard is None:
            return None
        job_id, index = shard
        if job_id not in self._refs:
            if len(self._refs) >= _REMEMBERED:
                self._refs.clear()
            with self._connection.ledger() as ledger:
                self._refs[job_id] = ledger.locate(job_id)
        return self._refs[job_id], index

    def _outcome(self, state: str, own_error: str, job_id: str, index: int) -> object:
        """Return an ended shard's value, or the exception that ``get`` raises.

        Args:
            state: the shard's state.
            own_error: its error, if it failed without a result.
            job_id: the job.
            index: the shard's place in the job.
        """
        if state == "REVOKED":
            return TaskRevokedError("cancelled")
        with self._connection.ledger() as ledger:
            results = list(ledger.results(job_id, [index]))
            if state == "SUCCESS":
                return shard_values(ledger.record(job_id), results[0]) if results else []
            errors = (
                f"circuit {each.index}: {each.error}" for found in results for each in found.circuits if each.error
            )
            return JobFailedError(own_error or next(errors, "") or ledger.snapshot(job_id).error, job_id=id_of(job_id))

    def get_result(self, task_id: str) -> object:
        """Return a shard's value or its exception; ``None`` until it ends."""
        return self.get_task_meta(task_id)["result"]

    def task_result_exists(self, task_id: str) -> bool:
        """Tell whether a shard is in the ledger, in any state."""
        return self._state(task_id)[0] is not None

    def wait_for(
        self,
        task_id: str,
        timeout: float | None = None,
        interval: float = 0.5,  # noqa: ARG002 - Celery's signature
        no_ack: bool = True,  # noqa: ARG002
        on_interval: Callable[[], object] | None = None,
    ) -> dict[str, Any]:
        """Return a shard's record once it has ended.

        Raises:
            celery.exceptions.TimeoutError: the shard hasn't ended after ``timeout`` seconds.
            qfleet.errors.JobNotFoundError: the fleet has no shard of this id.
        """
        for found in self._ended([task_id], timeout, on_interval):
            return found[1]
        raise _not_found(task_id)

    def get_many(
        self,
        task_ids: Iterable[str],
        timeout: float | None = None,
        interval: float = 0.5,  # noqa: ARG002 - Celery's signature
        no_ack: bool = True,  # noqa: ARG002
        on_message: Callable[[dict[str, Any]], object] | None = None,
        on_interval: Callable[[], object] | None = None,
        max_iterations: int | None = None,  # noqa: ARG002
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield each shard's id and record once the shard has ended.

        Raises:
            celery.exceptions.TimeoutError: see `wait_for`.
            qfleet.errors.JobNotFoundError: see `wait_for`.
        """
        for name, meta in self._ended(task_ids, timeout, on_interval):
            if on_message is not None:
                on_message(meta)
            yield name, meta

    def _ended(
        self, task_ids: Iterable[str], timeout: float | None, on_interval: Callable[[], object] | None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        jobs: dict[str, dict[int, str]] = {}
        for name in task_ids:
            shard = self._shard(name)
            if shard is None:
                raise _not_found(name)
            jobs.setdefault(shard[0], {})[shard[1]] = name
        for job_id, left in jobs.items():
            deadline = Deadline(job_id, timeout)
            try:
                for _ in watch(self._connection, deadline, moves=True):
                    if on_interval is not None:
                        on_interval()
                    with self._connection.ledger() as ledger:
                        ended = ledger.ended(job_id, sorted(left))
                    for index in ended:
                        name = left.pop(index)
                        yield name, self.get_task_meta(name)
                    if not left:
                        break
            except FleetJobTimeoutError as exc:
                raise CeleryTimeoutError(str(exc)) from exc
            for name in left.values():
                raise _not_found(name)

    def _restore_group(self, group_id: str) -> dict[str, Any]:
        """Return the group of a job's shards, where ``GroupResult.restore`` looks for it."""
        with self._connection.ledger() as ledger:
            shards = sum(ledger.snapshot(ledger.locate(group_id)).states.values())
        results = [self.app.AsyncResult(task_id(group_id, index)) for index in range(shards)]
        return {"result": GroupResult(group_id, results, app=self.app)}

    def _store_result(self, task_id: str, *_: Any, **__: Any) -> NoReturn:
        raise ImproperlyConfigured(
            f"{task_id} isn't a task of qfleet: this backend reads the results of jobs and stores none; give "
            "other tasks an app with another result_backend"
        )

    def _forget(self, task_id: str) -> NoReturn:
        job_id = (shard_of(task_id) or (task_id, 0))[0]
        raise ImproperlyConfigured(f"{task_id} is deleted with its job only: FleetProvider(url).delete_job({job_id!r})")


class _Meta(dict[str, Any]):
    """A task's record whose result is read at its first use."""

    read: Callable[[], object]

    def __missing__(self, key: str) -> object:
        if key != "result":
            raise KeyError(key)
        value = self["result"] = self.read()
        return value


def _not_found(name: str) -> JobNotFoundError:
    return JobNotFoundError(
        f"there is no shard {name!r} on this fleet; the task ids of a job are '<job id>.0', '<job id>.1' and so on",
        job_id=name.rpartition(".")[0] or name,
    )
