# SPDX-License-Identifier: Apache-2.0
"""A job from circuits to Qiskit's `Result` within one process.

It is everything but the transport: no Redis, no Celery, no other process.
"""

from __future__ import annotations

from collections.abc import Mapping

from fake_shards import always
from qiskit import QuantumCircuit
from qiskit.result import Result

from qfleet.jobs.result import assemble
from qfleet.ledger.record import decode_record, encode_record
from qfleet.options import RunOptions, check_option
from qfleet.submission.prepare import prepare
from qfleet.wire.codec.shards import decode_result, encode_shard
from qfleet.wire.messages.request import Output
from qfleet_worker.engines.contract import Simulator
from qfleet_worker.picked import ClaimedShard
from qfleet_worker.shards.runner import Runner


class _Store:
    """One job's programs, and the results of its shards."""

    def __init__(self, programs: Mapping[str, bytes]) -> None:
        self._programs = programs
        self.results: list[bytes] = []

    def programs(self, job_id: str, names: list[str]) -> list[bytes | None]:  # noqa: ARG002
        return [self._programs.get(name) for name in names]

    def finish(
        self,
        shard: ClaimedShard,  # noqa: ARG002
        result: bytes,
        *,
        whole: int,  # noqa: ARG002
        blocks: list[tuple[int, int]],  # noqa: ARG002
        error: str,  # noqa: ARG002
    ) -> bool:
        self.results.append(result)
        return True


def run_in_process(
    circuits: QuantumCircuit | list[QuantumCircuit],
    engine: Simulator,
    *,
    output: Output = "counts",
    engine_reason: str = "",
    **options: object,
) -> Result:
    """Run a job in this process, shard by shard.

    Args:
        circuits: the circuits of the job.
        engine: the simulator of all circuits.
        output: the kind of result.
        engine_reason: the reason that results give for the engine.
        options: the options of `FleetBackend.run`.
    """
    chosen = RunOptions(**{name: check_option(name, value) for name, value in options.items()})  # type: ignore[arg-type]
    new = prepare(circuits, chosen, backend_name="test", output=output, tags=(), metadata={}, retention=1000)
    store = _Store(new.programs)
    runner = Runner(store, always(engine, engine_reason), memory_bytes=2**31, max_attempts=3)
    for index, shard in enumerate(new.shards):
        assert runner.run(ClaimedShard(new.job_id, index, "owner", 1, encode_shard(shard)))
    return assemble(
        new.job_id,
        decode_record(encode_record(new.record)),
        [circuit for blob in store.results for circuit in decode_result(blob).circuits],
        backend_version="0",
        ended=new.record.created,
        default_error="",
    )
