# SPDX-License-Identifier: Apache-2.0
"""The jobs of the primitives are jobs of the fleet."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import numpy as np
import pytest
from aer_like import LikeAer
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter
from qiskit.circuit.library import efficient_su2
from qiskit.primitives import (
    BaseEstimatorV2,
    BasePrimitiveJob,
    BaseSamplerV2,
    PrimitiveResult,
    SamplerPubResult,
    StatevectorSampler,
)
from qiskit.providers import JobStatus

from qfleet import EstimatorOptions, EstimatorV2, FleetProvider, PrimitiveFleetJob, SamplerOptions, SamplerV2
from qfleet.errors import FleetJobError, InvalidOptionError, JobCancelledError, UnsupportedCircuitError


def coin(*, name: str = "meas") -> QuantumCircuit:
    circuit = QuantumCircuit(QuantumRegister(1), ClassicalRegister(1, name))
    circuit.h(0)
    circuit.measure(0, 0)
    return circuit


def test_they_are_qiskits(provider: FleetProvider) -> None:
    assert isinstance(SamplerV2(provider), BaseSamplerV2)
    assert isinstance(EstimatorV2(provider), BaseEstimatorV2)
    job = SamplerV2(provider).run([coin()])
    assert isinstance(job, BasePrimitiveJob)
    assert isinstance(job.result(timeout=60), PrimitiveResult)
    assert (job.done(), job.running(), job.cancelled(), job.errored(), job.in_final_state()) == (
        True,
        *[False] * 3,
        True,
    )
    assert job.status() is JobStatus.DONE


def test_another_process_finds_the_job(provider: FleetProvider) -> None:
    circuit = efficient_su2(3, reps=1)
    points = np.random.default_rng(1).uniform(0, 6, (4, circuit.num_parameters))
    circuit.metadata = {"kept": [1, "two"]}
    job = EstimatorV2(provider, seed=3).run([(circuit, ["ZZI", "XXX"], points[:, None], 0.1), (circuit, "YYI", points)])
    sampled = SamplerV2(provider, seed=3).run([coin(), (coin(), None, 7)], job_tags=["mine"])
    expected, bits = job.result(timeout=60), sampled.result(timeout=60)
    with FleetProvider(provider.url) as other:
        again, bits_again = other.job(job.job_id()), other.job(sampled.job_id())
        assert isinstance(again, PrimitiveFleetJob)
        found = again.result(timeout=10)
        for ours, theirs in zip(found, expected, strict=True):
            assert np.array_equal(ours.data.evs, theirs.data.evs)
            assert np.array_equal(ours.data.stds, theirs.data.stds)
            assert ours.metadata == theirs.metadata
        assert found.metadata == {"version": 2}
        assert found[0].metadata["circuit_metadata"] == {"kept": [1, "two"]}
        assert [pub.data.meas for pub in bits_again.result(timeout=10)] == [pub.data.meas for pub in bits]
        assert [pub.metadata["shots"] for pub in bits_again.result()] == [1024, 7]
        assert bits_again.tags == ["mine"]
        assert sampled.job_id() in [listed.job_id() for listed in other.jobs(job_tags=["mine"])]
        assert (again.progress().done, again.progress().total) == (8, 8)
    text = f"""
import sys
from qfleet import FleetProvider
job = FleetProvider({provider.url!r}).job({job.job_id()!r})
sys.stdout.write(job.result(timeout=10)[0].data.evs.tobytes().hex())
"""
    printed = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout
    assert bytes.fromhex(printed) == expected[0].data.evs.tobytes()


def test_pubs_as_they_end(provider: FleetProvider) -> None:
    pubs = [(coin(), None, shots) for shots in (5, 6, 7)]
    job = SamplerV2(provider).run([*pubs, (parametrised(), np.zeros((0, 1)), 8)])
    found = dict(job.as_completed(timeout=60))
    assert sorted(found) == [0, 1, 2, 3]
    assert all(isinstance(pub, SamplerPubResult) for pub in found.values())
    assert [found[index].data.meas.num_shots for index in range(4)] == [5, 6, 7, 8]
    assert found[3].data.meas.shape == (0,)
    result = job.result()
    assert [found[index].data.meas for index in range(4)] == [pub.data.meas for pub in result]

    async def waited() -> PrimitiveResult:
        return await job

    assert asyncio.run(waited())[0].data.meas == result[0].data.meas


def parametrised() -> QuantumCircuit:
    circuit = QuantumCircuit(1)
    circuit.rx(Parameter("t"), 0)
    circuit.measure_all()
    return circuit


def test_means_of_one_pub_as_they_end(provider: FleetProvider) -> None:
    circuit = efficient_su2(2, reps=1)
    points = np.random.default_rng(1).uniform(0, 6, (900, 1, circuit.num_parameters))
    job = EstimatorV2(provider).run([(circuit, ["ZZ", "XX"], points)])
    found = np.full((900, 2), np.nan)
    for where, means in job.expectation_values_as_completed(timeout=60):
        found[where] = means
    assert np.array_equal(found, job.result()[0].data.evs)
    with pytest.raises(FleetJobError, match="use as_completed"):
        SamplerV2(provider).run([coin()]).expectation_values_as_completed()


def test_progress_counts_points(provider: FleetProvider) -> None:
    told = []
    points = np.zeros((2500, 1))
    job = SamplerV2(provider).run([(parametrised(), points)], shots=2)
    job.result(timeout=60, progress=told.append)
    assert told[-1] == (2500, 2500)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_cancelling_stops_it(redis_url: str) -> None:
    with FleetProvider(redis_url) as without_workers:
        job = EstimatorV2(without_workers).run([(efficient_su2(2).assign_parameters([0.0] * 16), "ZZ")])
        assert job.status() is JobStatus.QUEUED
        assert job.cancel() is True
        assert job.cancelled()
        assert job.cancel() is False
        with pytest.raises(JobCancelledError):
            job.result()
        (partial,) = job.result(partial=True)
        assert np.isnan(partial.data.evs).all()
        assert "cancelled" in partial.metadata["error"]


def test_nothing_to_run_has_ended(provider: FleetProvider, redis_url: str) -> None:
    with FleetProvider(redis_url) as without_workers:
        for primitive in (SamplerV2(without_workers), EstimatorV2(without_workers)):
            job = primitive.run([])
            assert job.status() is JobStatus.DONE
            assert job.result(timeout=1).metadata == {"version": 2}
            assert list(job.as_completed(timeout=1)) == []
            assert len(without_workers.job(job.job_id()).result(timeout=1)) == 0
            assert job.cancel() is False
        job = SamplerV2(without_workers).run([(parametrised(), np.zeros((3, 0, 1)))])
        assert job.result(timeout=1)[0].data.meas.shape == (3, 0)


def test_registers(provider: FleetProvider) -> None:
    low, high, shared = ClassicalRegister(3, "low"), ClassicalRegister(9, "high"), QuantumRegister(2)
    circuit = QuantumCircuit(shared, low, high)
    alias = ClassicalRegister(bits=[high[8], low[0], high[1]], name="alias")
    circuit.add_register(alias)
    circuit.x(0)
    circuit.measure([0, 0, 1], [high[8], low[0], low[1]])
    (found,) = SamplerV2(provider).run([circuit], shots=4).result(timeout=60)
    (expected,) = StatevectorSampler().run([circuit], shots=4).result()
    assert list(found.data.keys()) == list(expected.data.keys()) == ["low", "high", "alias"]
    for name in found.data:
        assert found.data[name].get_counts() == expected.data[name].get_counts()
        assert np.array_equal(found.data[name].array, expected.data[name].array)
    with pytest.warns(UserWarning, match="no output classical registers"):
        (empty,) = SamplerV2(provider).run([QuantumCircuit(1)]).result(timeout=60)
    assert list(empty.data.keys()) == []
    for name in ("shape", "keys", "self"):
        with pytest.raises(ValueError, match=f"PUB 0: a classical register is called '{name}'"):
            SamplerV2(provider).run([coin(name=name)])


def test_measurements_in_the_middle(provider: FleetProvider) -> None:
    circuit = QuantumCircuit(1, 3)
    circuit.h(0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(0)
    circuit.measure(0, 1)
    circuit.reset(0)
    circuit.x(0)
    circuit.measure(0, 2)
    (found,) = SamplerV2(provider, seed=1).run([circuit], shots=500).result(timeout=60)
    counts = found.data.c.get_counts()
    assert counts.keys() == {"100", "101"}
    assert 180 < counts["100"] < 320


def test_shots_in_blocks_are_the_shots_uncut(provider: FleetProvider) -> None:
    circuit = QuantumCircuit(9)
    circuit.h(range(9))
    circuit.measure_all()
    whole = SamplerV2(provider, seed=4).run([circuit], shots=1000).result(timeout=60)[0].data.meas
    backend = provider.get_backend("automatic", max_shot_size=77, seed_simulator=4)
    assert SamplerV2(backend).run([circuit], shots=1000).result(timeout=60)[0].data.meas == whole


def test_seeds(provider: FleetProvider) -> None:
    pubs = [(coin(), None, 200), (coin(), None, 200)]
    sampler = SamplerV2(provider, seed=12)
    first, again = ([pub.data.meas for pub in sampler.run(pubs).result(timeout=60)] for _ in range(2))
    assert first == again
    assert first[0] != first[1]
    sampler.options.seed = 13
    assert [pub.data.meas for pub in sampler.run(iter(pubs)).result(timeout=60)] != first


def test_options(provider: FleetProvider) -> None:
    sampler = SamplerV2(provider, options={"default_shots": 10, "seed": 3}, default_shots=20)
    assert sampler.options == SamplerOptions(default_shots=20, seed=3)
    assert sampler.run([coin()]).result(timeout=60)[0].metadata["shots"] == 20
    assert sampler.run([coin()], shots=30).result(timeout=60)[0].metadata["shots"] == 30
    estimator = EstimatorV2(provider.url, options=EstimatorOptions(default_precision=0.5))
    assert estimator.options.default_precision == 0.5
    backend = provider.get_backend("automatic", seed_simulator=77, max_parallel_threads=2)
    assert SamplerV2(backend).options == SamplerOptions(seed=77, max_parallel_threads=2)
    for wrong in ({"default_shots": 0}, {"seed": -1}, {"method": "unitary"}, {"default_shots": 1.5}):
        with pytest.raises(InvalidOptionError):
            SamplerV2(provider, **wrong)
    for precision in (-0.1, float("nan"), "exact", True):
        with pytest.raises(InvalidOptionError):
            EstimatorV2(provider, default_precision=precision)
    with pytest.raises(TypeError, match=r"no option 'shots'; the options are .*default_shots"):
        SamplerV2(provider, shots=3)
    with pytest.raises(AttributeError, match="no option 'default_precision'"):
        sampler.options.default_precision = 0.1
    with pytest.raises(TypeError, match="FleetProvider"):
        SamplerV2(5)


def test_what_a_primitive_has_no_place_for(provider: FleetProvider) -> None:
    circuit = QuantumCircuit(1)
    circuit.append(LikeAer("save_statevector", 1, "single"), [0])
    with pytest.raises(UnsupportedCircuitError, match=r"PUB 0: .*save instructions"):
        EstimatorV2(provider).run([(circuit, "Z")])


def test_the_old_name_of_expectation_values_as_completed(provider: FleetProvider) -> None:
    job = EstimatorV2(provider).run([(QuantumCircuit(1), "Z")])
    with pytest.warns(DeprecationWarning, match="now called expectation_values_as_completed"):
        arriving = job.means_as_completed(timeout=60)
    assert [values.tolist() for _, values in arriving] == [[[1.0]]]
