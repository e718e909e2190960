# SPDX-License-Identifier: Apache-2.0
"""An explanation says of each method what a run would say and take, and names the one that the run takes."""

from __future__ import annotations

import json

import pytest
from aer_like import LikeAer
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qfleet.errors import CapacityError, UnsupportedCircuitError
from qfleet.noise import Channel, NoiseModel
from qfleet.options import RunOptions
from qfleet.submission.explanation import Explanation, explain
from qfleet.submission.repeated_circuits import encode_circuit
from qfleet.wire.messages.request import METHODS, Output


def ghz(num_qubits: int, *, t: bool = False) -> QuantumCircuit:
    circuit = QuantumCircuit(num_qubits, num_qubits, name="ghz")
    circuit.h(0)
    for qubit in range(num_qubits - 1):
        circuit.cx(qubit, qubit + 1)
    if t:
        circuit.t(num_qubits // 2)
        for _ in range(12):
            # More entanglement than a matrix product state may have, for all that is known.
            circuit.cx(num_qubits // 2, num_qubits // 2 + 1)
    circuit.measure(range(num_qubits), range(num_qubits))
    return circuit


def explained(circuit: QuantumCircuit, output: Output = Output.COUNTS, **options: object) -> Explanation:
    return explain(circuit, RunOptions(**options), output)  # type: ignore[arg-type]


def test_every_method_has_a_line_with_its_cost_or_its_reason() -> None:
    found = explained(ghz(26), shots=2000)
    assert (found.circuit, found.num_qubits, found.num_operations, found.shots) == ("ghz", 26, 52, 2000)
    assert [each.method for each in found.methods] == list(METHODS)
    for each in found.methods:
        assert each.possible == (each.seconds is not None) == (each.memory_bytes is not None) == (not each.refusal)
    by_name = {each.method: each for each in found.methods}
    assert {name for name, each in by_name.items() if each.possible} == {
        "statevector",
        "stabilizer",
        "matrix_product_state",
    }
    assert by_name["density_matrix"].refusal == "2**52 amplitudes, and no machine holds more than 2**40"
    assert by_name["statevector"].memory_bytes > 2**30 > by_name["stabilizer"].memory_bytes  # type: ignore[operator]
    assert found.method == "stabilizer"
    text = repr(found).splitlines()
    assert text[0] == "circuit 'ghz': 26 simulated qubits, 52 operations, 2000 shots"
    assert [line for line in text if line.startswith(">")] == [text[5]]
    assert text[5].split()[:2] == [">", "stabilizer"]
    assert text[5].endswith(" ms, 64 MiB")
    assert text[3].split(maxsplit=1) == ["superop", "no: the circuit gives its counts"]
    assert text[-1] == f"stabilizer, {found.reason}"
    assert json.loads(json.dumps(found.to_dict()))["methods"][4]["method"] == "stabilizer"


@pytest.mark.parametrize("circuit", [ghz(3), ghz(26), ghz(26, t=True), ghz(100)])
@pytest.mark.parametrize("method", ["automatic", "statevector", "stabilizer", "density_matrix"])
def test_the_run_takes_what_is_explained(circuit: QuantumCircuit, method: str) -> None:
    found = explained(circuit, method=method)
    try:
        encoded = encode_circuit(circuit, RunOptions(method=method), Output.COUNTS)  # type: ignore[arg-type]
    except (CapacityError, UnsupportedCircuitError):
        assert found.method is None
        return
    assert (found.method, found.reason) == (encoded.request.method, encoded.record.method_reason)
    chosen = next(each for each in found.methods if each.method == found.method)
    assert (chosen.seconds, chosen.memory_bytes) == (encoded.seconds, encoded.record.required_bytes)


def test_a_circuit_that_nothing_runs() -> None:
    found = explained(ghz(127, t=True))
    assert found.method is None
    assert repr(found).endswith("refused: statevector: 2**127 amplitudes, and no machine holds more than 2**39")
    assert found.methods[-2].refusal == "operation 127, t on qubit 63, isn't a Clifford gate"


def test_noise_saves_outputs_and_parameters_count() -> None:
    noise = NoiseModel().add(Channel.amplitude_damping(0.1), "h")
    assert "isn't a mixture of Paulis and resets to |0>" in explained(ghz(5), noise_model=noise).methods[-2].refusal
    saving = ghz(2)
    saving.append(LikeAer("save_statevector", 2, "single"), [0, 1])
    found = {each.method: each.refusal for each in explained(saving).methods}
    assert found["stabilizer"] == found["density_matrix"] == "the circuit has save_statevector ('statevector')"
    assert explained(QuantumCircuit(2), Output.UNITARY, method="unitary").method == "unitary"
    free = Parameter("a")
    circuit = ghz(60, t=True)
    circuit.data = [each for each in circuit.data if each.name != "t"]
    circuit.rz(free, 3)
    assert explained(circuit).method is None
    assert explained(circuit, parameter_binds=({free: [0.0, 3.141592653589793]},)).method == "stabilizer"
    assert explained(circuit, parameter_binds=({free: [0.0, 0.3]},)).method is None
