# SPDX-License-Identifier: Apache-2.0
"""Every engine saves exact values of a state, which the result gives."""

from __future__ import annotations

import numpy as np
import pytest
from aer_like import LikeAer, expval
from engines import ENGINES, SAVING_ENGINES
from in_process import run_in_process
from qiskit import QuantumCircuit, transpile
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import DensityMatrix, Operator, SparsePauliOp, Statevector
from qiskit.result import ProbDistribution
from saved_values import (
    ALL,
    assert_same,
    instruction,
    label_of,
    prefix,
    reduced_by,
    states,
    subtypes,
    suffix,
)

from qfleet import FleetProvider
from qfleet.target import fleet_target
from qfleet_worker.engines.contract import Simulator

SHOTS = 24


@pytest.fixture(params=SAVING_ENGINES)
def engine(request: pytest.FixtureRequest) -> Simulator:
    return SAVING_ENGINES[request.param]()


@pytest.mark.timeout(600)  # the first may have to compile
@pytest.mark.parametrize(
    ("name", "subtype", "precision"),
    [(name, subtype, "double") for name in ALL for subtype in subtypes(name)]
    + [(name, subtypes(name)[0], "single") for name in ALL],
)
def test_each_kind_and_subtype_after_a_measurement(engine: Simulator, name: str, subtype: str, precision: str) -> None:
    save, qubits, value = instruction(name, subtype)
    circuit = prefix()
    circuit.append(save, qubits)
    suffix(circuit)
    exact = states()
    result = run_in_process(circuit, engine, shots=SHOTS, seed_simulator=3, memory=True, precision=precision)
    data = result.data(0)
    found = [hex(int(shot, 16) & 2) for shot in data["memory"]]
    assert len(set(found)) == 2
    manner = subtype.removeprefix("c_")
    values = [value(exact[clbits]) for clbits in found]
    if subtype == manner:
        want = reduced_by(manner, values)
    else:
        of = {clbits: [v for v, at in zip(values, found, strict=True) if at == clbits] for clbits in set(found)}
        want = {clbits: reduced_by(manner, each) for clbits, each in of.items()}
    assert set(data) == {"counts", "memory", label_of(name)}
    assert_same(
        data[label_of(name)], want, (1e-10 if precision == "double" else 1e-5) * (SHOTS if "accum" in subtype else 1)
    )


@pytest.mark.parametrize("name", ALL)
def test_blocks_of_shots_give_what_one_block_gives(engine: Simulator, name: str) -> None:
    for subtype in subtypes(name):
        save, qubits, _ = instruction(name, subtype)
        circuit = prefix()
        circuit.append(save, qubits)
        suffix(circuit)
        whole, cut = (
            run_in_process(circuit, engine, shots=SHOTS, seed_simulator=3, max_shot_size=size).data(0)
            for size in (None, 5)
        )
        assert_same(cut, whole, 1e-12 * SHOTS)


def test_engines_save_the_same_for_random_circuits_with_measurements() -> None:
    rng = np.random.default_rng(8)
    for _ in range(12):
        num_qubits = int(rng.integers(2, 6))
        circuit = QuantumCircuit(num_qubits, 3)
        for at in range(14):
            a, b = rng.choice(num_qubits, 2, replace=False).tolist()
            choice = rng.integers(7)
            if choice < 2:
                circuit.u(*rng.uniform(0, 3, 3), a)
            elif choice == 2:
                circuit.cx(a, b)
            elif choice == 3:
                circuit.swap(a, b)
            elif choice == 4:
                circuit.measure(a, int(rng.integers(3)))
            elif choice == 5:
                circuit.reset(a)
            else:
                label = f"s{at}"
                circuit.append(LikeAer("save_statevector", num_qubits, "list", label=label), range(num_qubits))
                circuit.append(LikeAer("save_probabilities", 2, "c_average", label=label + "p"), [b, a])
                operator = SparsePauliOp(["XY", "ZI", "YY"], rng.normal(size=3))
                circuit.append(expval(operator, "list", label + "e"), [a, b])
        results = [
            run_in_process(circuit, make(), shots=9, seed_simulator=5).data(0) for make in SAVING_ENGINES.values()
        ]
        for other in results[1:]:
            assert_same(other, results[0], 1e-11)


def test_a_save_sees_nothing_of_what_comes_after_it(engine: Simulator) -> None:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.append(LikeAer("save_statevector", 2, "single", label="first"), [0, 1])
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.append(LikeAer("save_statevector", 2, "single", label="second"), [1, 0])
    circuit.x(0)
    data = run_in_process(circuit, engine).data(0)
    half = 0.5**0.5
    assert_same(data, {"first": Statevector([half, half, 0, 0]), "second": Statevector([1, 0, 0, 0])})


def test_the_last_measurement_of_a_qubit_is_seen_by_a_later_save(engine: Simulator) -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure(0, 1)
    circuit.append(LikeAer("save_probabilities", 1, "c_average"), [1])
    circuit.measure(1, 0)
    data = run_in_process(circuit, engine, shots=20, seed_simulator=1).data(0)
    assert set(data["counts"]) == {"0x0", "0x3"}
    assert_same(data["probabilities"], {"0x0": np.array([1.0, 0]), "0x2": np.array([0, 1.0])})


def test_a_save_before_shots_part_is_done_once_for_each(engine: Simulator) -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.h(0)
    circuit.append(LikeAer("save_probabilities", 1, "list"), [0])
    circuit.append(expval(SparsePauliOp(["X"]), "accum"), [0])
    circuit.measure(0, 0)
    circuit.h(0)
    data = run_in_process(circuit, engine, shots=9, seed_simulator=1).data(0)
    assert len(data["counts"]) == 2
    assert_same(data["probabilities"], [np.array([0.5, 0.5])] * 9)
    assert data["expectation_value"] == pytest.approx(9)


def test_clbits_that_are_written_again_are_those_of_the_moment(engine: Simulator) -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.x(0)
    circuit.measure(0, 0)
    circuit.append(LikeAer("save_probabilities", 1, "c_average"), [0])
    circuit.measure(1, 0)
    data = run_in_process(circuit, engine, shots=4).data(0)
    assert_same(data, {"counts": {"0x0": 4}, "probabilities": {"0x1": np.array([0, 1.0])}})


def test_saves_in_control_flow(engine: Simulator) -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.x(1)
        circuit.append(expval(SparsePauliOp(["Z"]), "average", "z"), [1])
        circuit.append(LikeAer("save_statevector", 2, "list"), [0, 1])
    with circuit.if_test((1, 1)):
        circuit.append(LikeAer("save_probabilities", 1, "average", label="never"), [0])
    data = run_in_process(circuit, engine, shots=10, seed_simulator=1).data(0)
    ones = data["counts"]["0x1"]
    assert 0 < ones < 10
    assert_same(data, {"counts": data["counts"], "z": -1.0, "statevector": [Statevector([0, 0, 0, 1])] * ones})


def test_a_save_in_a_loop_is_done_in_each_turn(engine: Simulator) -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.h(0)
    circuit.measure(0, 0)
    with circuit.while_loop((0, 1)):
        circuit.ry(0.3, 1)
        circuit.append(expval(SparsePauliOp(["Z"]), "list", "z"), [1])
        circuit.append(expval(SparsePauliOp(["Z"]), "average", "mean"), [1])
        circuit.h(0)
        circuit.measure(0, 0)
    data = run_in_process(circuit, engine, shots=30, seed_simulator=1).data(0)
    turns = np.flatnonzero(np.isclose(data["z"], np.cos(0.3), atol=1e-12))
    assert 1 < len(turns) < 30
    lengths = np.diff([*turns, len(data["z"])])
    assert lengths.max() > 1
    np.testing.assert_allclose(
        data["z"], np.concatenate([np.cos(0.3 * np.arange(1, n + 1)) for n in lengths]), atol=1e-12
    )
    assert data["mean"] == pytest.approx(np.mean(data["z"]), abs=1e-12)


def test_saves_inside_of_composite_instructions(engine: Simulator) -> None:
    inner = QuantumCircuit(2, global_phase=0.7)
    inner.x(0)
    inner.append(LikeAer("save_probabilities", 2, "average"), [0, 1])
    circuit = QuantumCircuit(2)
    circuit.ry(1.0, 0)
    circuit.append(inner.to_instruction(), [1, 0])
    circuit.append(LikeAer("save_statevector", 2, "single"), [0, 1])
    data = run_in_process(circuit, engine).data(0)
    cos, sin = np.cos(0.5), np.sin(0.5)
    assert_same(data["probabilities"], np.array([0, cos**2, 0, sin**2]))
    assert_same(data["statevector"], Statevector(np.array([0, 0, cos, sin]) * np.exp(0.7j)))


def test_qubits_that_nothing_touches(engine: Simulator) -> None:
    circuit = QuantumCircuit(5, 1)
    circuit.x(3)
    circuit.measure(3, 0)
    circuit.append(LikeAer("save_probabilities_dict", 3, "average"), [4, 3, 0])
    circuit.append(expval(SparsePauliOp(["ZZ", "XZ", "IZ"], [1, 1, 1])), [3, 1])
    circuit.append(LikeAer("save_density_matrix", 2, "average"), [3, 2])
    circuit.append(LikeAer("save_amplitudes", 5, "single", [8, 0]), range(5))
    data = run_in_process(circuit, engine, shots=2).data(0)
    assert_same(data["probabilities"], ProbDistribution({2: 1.0}))
    assert data["expectation_value"] == pytest.approx(-2)
    assert_same(data["density_matrix"], DensityMatrix(np.diag([0, 1, 0, 0])))
    assert_same(data["amplitudes"], np.array([1, 0], complex))


# -------------------------------------------------------------------------------------------------------------- unitary


@pytest.mark.parametrize("name", ["save_unitary", "save_state"])
@pytest.mark.parametrize("precision", ["double", "single"])
def test_a_unitary_on_the_way(engine: Simulator, name: str, precision: str) -> None:
    circuit = QuantumCircuit(3, global_phase=0.2)
    circuit.h(0)
    circuit.cx(0, 2)
    circuit.swap(0, 1)
    circuit.cp(0.4, 2, 1)
    want = Operator(circuit)
    circuit.append(LikeAer(name, 3, "single"), [0, 1, 2])
    circuit.h(1)
    circuit.append(LikeAer("save_unitary", 3, "list", label="end"), [0, 1, 2])
    result = run_in_process(circuit, engine, precision=precision)
    end = want.compose(Operator(_hadamard()))
    assert_same(result.data(0), {"unitary": want, "end": [end]}, 1e-10 if precision == "double" else 1e-5)
    assert result.results[0].metadata["method"] == "unitary"
    assert "saves its unitary" in result.results[0].metadata["method_reason"]
    assert_same(result.get_unitary(), want, 1e-5)


def _hadamard() -> QuantumCircuit:
    circuit = QuantumCircuit(3)
    circuit.h(1)
    return circuit


def test_a_unitary_and_counts_in_one_job(engine: Simulator) -> None:
    unitary = QuantumCircuit(1)
    unitary.x(0)
    unitary.append(LikeAer("save_unitary", 1, "single"), [0])
    counted = QuantumCircuit(1, 1)
    counted.x(0)
    counted.measure(0, 0)
    result = run_in_process([unitary, counted], engine, shots=7, max_shot_size=3)
    assert_same(result.data(0), {"unitary": Operator([[0, 1], [1, 0]])})
    assert_same(result.data(1), {"counts": {"0x1": 7}})
    assert [each.metadata["method"] for each in result.results] == ["unitary", "statevector"]


# ------------------------------------------------------------------------------------------------- results as Qiskit's


def test_the_result_gives_its_statevector_and_counts(engine: Simulator) -> None:
    circuit = QuantumCircuit(1)
    circuit.h(0)
    circuit.append(LikeAer("save_statevector", 1, "single"), [0])
    result = run_in_process(circuit, engine)
    assert_same(result.get_statevector(), Statevector([0.5**0.5] * 2))
    assert set(result.data(0)) == {"statevector"}
    # Qiskit takes them from the statevector.
    assert {key: round(float(value), 9) for key, value in result.get_counts().items()} == {"0": 0.5, "1": 0.5}


def test_without_data_there_are_no_counts_to_have(engine: Simulator) -> None:
    circuit = QuantumCircuit(1)
    circuit.append(expval(SparsePauliOp(["Z"])), [0])
    result = run_in_process(circuit, engine)
    assert result.data(0) == {"expectation_value": 1.0}
    with pytest.raises(QiskitError):
        result.get_counts()


def test_what_a_circuit_saves_wins_over_what_the_backend_returns(engine: Simulator) -> None:
    circuit = QuantumCircuit(1)
    circuit.append(LikeAer("save_statevector", 1, "single"), [0])
    circuit.x(0)
    circuit.append(LikeAer("save_statevector", 1, "single", label="end"), [0])
    data = run_in_process(circuit, engine, output="statevector").data(0)
    assert_same(data, {"statevector": Statevector([1, 0]), "end": Statevector([0, 1])})


def test_metadata_say_what_ran_and_why(engine: Simulator) -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    for options, reason in (({}, "automatic"), ({"method": "statevector"}, "method='statevector'")):
        metadata = run_in_process(circuit, engine, engine_reason="it was built", **options).results[0].metadata
        assert metadata["method"] == "statevector"
        assert metadata["method_reason"].startswith(reason)
        assert metadata["engine"] == "fake"
        assert metadata["engine_reason"] == "it was built"


# ----------------------------------------------------------------------------------------------- transpiler, and fleet


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_the_transpiler_keeps_saves(level: int) -> None:
    inner = QuantumCircuit(2)
    inner.append(LikeAer("save_probabilities", 2, "average", label="inner"), [0, 1])
    circuit = prefix()
    for name in ALL:
        save, qubits, _ = instruction(name, subtypes(name)[0])
        circuit.append(save, qubits)
    circuit.append(LikeAer("save_unitary", 3, "single"), [0, 1, 2])
    circuit.append(inner.to_instruction(), [2, 0])
    with circuit.if_test((0, 1)):
        circuit.append(LikeAer("save_probabilities", 1, "average", label="in if"), [0])
    kept = transpile(circuit, target=fleet_target(5), optimization_level=level).count_ops()
    assert all(kept[name] == (2 if name == "save_probabilities" else 1) for name in [*ALL, "save_unitary"])


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_a_fleet_gives_what_an_engine_gives(provider: FleetProvider, engine: Simulator) -> None:
    circuit = prefix()
    for name in ALL:
        if name not in ("save_state", "save_statevector_dict", "save_probabilities_dict"):
            save, qubits, _ = instruction(name, f"c_{subtypes(name)[0]}")
            circuit.append(save, qubits)
    suffix(circuit)
    backend = provider.get_backend()
    job = backend.run(circuit, shots=SHOTS, seed_simulator=3, max_shot_size=7)
    result = job.result(timeout=120)
    assert_same(result.data(0), run_in_process(circuit, engine, shots=SHOTS, seed_simulator=3).data(0), 1e-9)
    metadata = result.results[0].metadata
    assert metadata["engine"] in ("numpy", "statevector")
    assert "machine code" in metadata["engine_reason"]


def test_a_saved_state_has_its_phase_whatever_angles_came_before(engine: Simulator) -> None:
    for angle in (1.5, 0.4, -0.9):
        first, then = QuantumCircuit(3), QuantumCircuit(3)
        first.rzz(angle, 0, 1)
        then.rx(angle, 2)
        then.rzz(2 * angle, 1, 2)
        circuit = first.copy()
        circuit.append(LikeAer("save_statevector", 3, "single", label="middle"), range(3))
        circuit.compose(then, inplace=True)
        circuit.append(LikeAer("save_statevector", 3, "single", label="end"), range(3))
        data = run_in_process(circuit, engine, shots=1).data(0)
        np.testing.assert_allclose(data["middle"], Statevector(first), atol=1e-12)
        np.testing.assert_allclose(data["end"], Statevector(first.compose(then)), atol=1e-12)
