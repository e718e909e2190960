# SPDX-License-Identifier: Apache-2.0
"""Workers that only choose shards and finish them, many in one process.

Each has the connections of a real worker with one process: one waits for tokens and chooses, one finishes. They send
what a real worker sends, and run nothing.
"""

from __future__ import annotations

import selectors
import time
from collections.abc import Iterator, Sequence
from typing import Any

import redis

from qfleet.ledger import JobRecord, Ledger, NewJob
from qfleet.ledger.record import CircuitRecord
from qfleet.wire.codec.shards import encode_shard
from qfleet.wire.cost.tiers import TIERS
from qfleet.wire.lua import script
from qfleet.wire.messages.presence import PERIOD_SECONDS, Presence
from qfleet.wire.messages.request import Output, Request
from qfleet.wire.messages.result import CircuitResult, ShardResult
from qfleet.wire.messages.work import CircuitWork, ShardWork
from qfleet.wire.redis import keys
from qfleet_worker.lifecycle.binder import TOKEN_EVERY
from qfleet_worker.picked import Picked
from qfleet_worker.store import Store

#: A worker's memory.
POOL_BYTES = 32 << 30
#: The shards that a worker with all slots full holds.
SLOTS = 16
#: Seconds that a worker waits for a token before it asks again, as kombu has it.
_WAIT_SECONDS = 1
_RESULT = encode_shard(
    ShardResult((CircuitResult(index=0, first_shot=0, shots=1024, seconds=0.001, engine="statevector"),))
)


def make_job(number: int, shards: int, tenant: str) -> NewJob:
    """Return a job of shards of one circuit each.

    Args:
        number: the job's number, from which its id is made.
        shards: how many shards it has.
        tenant: the tenant that it belongs to.
    """
    circuit = CircuitRecord(
        name="circuit",
        num_qubits=2,
        num_clbits=2,
        qregs=(("q", 2),),
        cregs=(("meas", 2),),
        global_phase=0.0,
        metadata={},
        measured=True,
        shots=1024,
        seed=7,
        required_bytes=1 << 20,
    )
    record = JobRecord(
        backend="automatic",
        created=0.0,
        output=Output.COUNTS,
        precision="double",
        memory=False,
        method="automatic",
        tags=(),
        metadata={},
        circuits=(circuit,) * shards,
    )
    request = Request(Output.COUNTS, "automatic")
    work = [
        ShardWork((CircuitWork(index=index, program="p" * 64, shots=1024, seed=7 + index),), (request,), 1)
        for index in range(shards)
    ]
    return NewJob(
        job_id=f"00000001-0000-4000-8000-{number:012x}",
        record=record,
        retention=604_800,
        shards=work,
        programs={"p" * 64: bytes(400)},
        tenant=tenant,
    )


def store_jobs(client: redis.Redis, jobs: int, shards: int, tenants: int) -> list[str]:
    """Store some jobs as clients do; return their ids."""
    ledger, ids = Ledger(client), []
    for number in range(jobs):
        job = make_job(number, shards, f"tenant-{number % tenants}")
        ledger.store(job)
        ids.append(job.job_id)
    return ids


def worker_name(number: int) -> str:
    """Return the name of a worker."""
    return f"qfleet-{number:08x}@host-{number:04d}"


def show(client: redis.Redis, number: int, holds: Sequence[str] = ()) -> Store:
    """Show the presence of a worker; return its view of the ledger.

    Args:
        client: the Redis of the ledger.
        number: the number of the worker.
        holds: the names of the shards that it holds.
    """
    name = worker_name(number)
    store = Store(client, name)
    store.renew_presence(
        Presence(
            name=name,
            version="0.1.0",
            concurrency=SLOTS,
            memory_bytes=POOL_BYTES,
            seen=0.0,
            engine="statevector",
            engine_reason="the statevector engine is the first one that can run the circuit",
            holds=tuple(sorted(holds)),
            machine="00000000-0000-0000-0000-000000000000/4026531836",
            process_id=1000 + number,
        )
    )
    return store


def pick(store: Store) -> Picked | None:
    """Choose a shard for a worker, without a token."""
    picked = store.pick(None, POOL_BYTES, POOL_BYTES, slow=False, corrections={})
    return picked if isinstance(picked, Picked) else None


class FakeWorkers:
    """Some workers, which run one after the other in a single loop.

    Args:
        port: the port of the Redis.
        number: how many workers there are.
    """

    def __init__(self, port: int, number: int) -> None:
        self._client = redis.Redis(port=port)
        pool = redis.ConnectionPool(port=port, max_connections=2 * number + 8)
        self._selector = selectors.DefaultSelector()
        self._connections: list[Any] = []
        self._number = number
        self.done = 0
        self._pick, self._finish = (self._client.script_load(script(name)) for name in ("pick", "finish"))
        for _ in range(2 * number):
            connection = pool.get_connection()
            connection.connect()
            self._connections.append(connection)
        # As many ids as a full worker has.
        self._holds = [f"00000002-0000-4000-8000-{slot:012x}.{slot}" for slot in range(SLOTS)]
        self._shown = 0

    def run(self, seconds: float, *, most: int | None = None) -> float:
        """Let the workers run; return the seconds that it took.

        Args:
            seconds: how long they run, at most.
            most: how many shards they finish, at most; ``None``: no matter how many.
        """
        lives: dict[Any, Iterator[Any]] = {}
        for number in range(self._number):
            life = self._life(number, *self._connections[2 * number : 2 * number + 2])
            lives[next(life)] = life
        for connection in lives:
            self._selector.register(connection._sock, selectors.EVENT_READ, connection)
        begin = time.perf_counter()
        while (elapsed := time.perf_counter() - begin) < seconds and (most is None or self.done < most):
            self._show_some(elapsed)
            for key, _ in self._selector.select(0.05):
                connection = key.data
                life = lives.pop(connection)
                following = next(life)
                lives[following] = life
                if following is not connection:
                    self._selector.unregister(connection._sock)
                    self._selector.register(following._sock, selectors.EVENT_READ, following)
        return elapsed

    def close(self) -> None:
        """Close all connections."""
        self._selector.close()
        for connection in self._connections:
            connection.disconnect()
        self._client.close()

    def _life(self, number: int, main: Any, process: Any) -> Iterator[Any]:
        """Yield the connection whose answer the worker waits for."""
        name, lists = worker_name(number), [*map(keys.tokens, range(TIERS)), f"{keys.PREFIX}{keys.QUEUE}"]
        lists.append(keys.wake(name))
        tiers = {keys.tokens(tier).encode(): tier for tier in range(TIERS)}
        picks = without_token = 0
        while True:
            token: int | str = ""
            if not without_token:
                main.send_command("BRPOP", *lists, _WAIT_SECONDS)
                yield main
                popped = main.read_response()
                if popped is None:
                    continue
                token, without_token = tiers[popped[0]], TOKEN_EVERY
            picks += 1
            without_token -= 1
            owner = f"{name}/{1000 + number}/{picks:08x}"
            memory = (POOL_BYTES, POOL_BYTES, 0)
            main.send_command("EVALSHA", self._pick, 0, owner, name, token, *memory, f"{time.time():.3f}")
            yield main
            picked = main.read_response()
            if len(picked) < 3:
                without_token = 0
                continue
            without_token *= picked[-1]
            job_id, index = picked[0].decode(), picked[1]
            own = (job_id, index, owner, "SUCCESS", _RESULT, "", "0.001", 1)
            process.send_command("EVALSHA", self._finish, 1, keys.job(job_id), *own)
            yield process
            assert process.read_response() == 1
            self.done += 1

    def _show_some(self, elapsed: float) -> None:
        """Renew the presence of the workers whose turn it is."""
        due = int(elapsed / PERIOD_SECONDS * self._number)
        for turn in range(self._shown, due):
            show(self._client, turn % self._number, self._holds)
        self._shown = due
