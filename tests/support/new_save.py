# SPDX-License-Identifier: Apache-2.0
"""Run a new save in copied packages, on both engines.

`tests/unit/test_new_rows.py` adds ``save_all_probabilities`` to the table of saves, and starts this script with the
copy first on the path.
"""

from __future__ import annotations

import numpy as np
from aer_like import LikeAer
from make_experiments import make_experiment
from make_jobs import make_circuit_result
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector

from qfleet.errors import UnsupportedCircuitError
from qfleet.jobs.saved_data import saved_data
from qfleet.lowering.lower import lower
from qfleet.target import fleet_target
from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.codec.shards import decode_result, encode_shard
from qfleet.wire.cost.sizes import saved_size
from qfleet.wire.messages.request import Request
from qfleet.wire.messages.result import ShardResult
from qfleet.wire.program.saves import Saved
from qfleet_worker.engines.numpy.simulator import NumpySimulator
from qfleet_worker.engines.statevector.simulator import StatevectorSimulator

NAME = "save_all_probabilities"


def saving(num_qubits: int, subtype: str) -> QuantumCircuit:
    """Return a circuit of three qubits that saves on some of them."""
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.ry(0.4, 1)
    circuit.cx(0, 2)
    circuit.append(LikeAer(NAME, num_qubits, subtype), range(num_qubits))
    return circuit


def refusal(num_qubits: int, subtype: str) -> str:
    """Return the error of lowering."""
    try:
        lower(saving(num_qubits, subtype))
    except UnsupportedCircuitError as error:
        return str(error)
    raise AssertionError("it was lowered")


def received(saved: tuple[Saved, ...]) -> tuple[Saved, ...]:
    """Return saved data as the client has them."""
    blob = encode_shard(ShardResult((make_circuit_result(saved=saved),)))
    return decode_result(blob).circuits[0].saved


def main() -> None:
    """Compare both engines with Qiskit, and see wrong saves refused."""
    assert NAME in fleet_target(4).operation_names
    assert "of 2 of its 3 qubits" in refusal(2, "average")
    assert "its subtype is 'single'" in refusal(3, "single")
    expected = Statevector(plain()).probabilities()
    for subtype in ("average", "list"):
        program = decode_program(encode_program(lower(saving(3, subtype))))
        assert saved_size(program, 10, Request()).total >= 8 * 8
        for make in (NumpySimulator, StatevectorSimulator):
            saved = received(make().run(make_experiment(program, 10)).saved)
            data = saved_data([saved], num_qubits=3, num_clbits=0, precision="double")[NAME]
            values = data if subtype == "list" else [data]
            assert len(values) == (10 if subtype == "list" else 1)
            for value in values:
                np.testing.assert_allclose(value, expected, rtol=0, atol=1e-12)
    print("saved")


def plain() -> QuantumCircuit:
    """Return the circuit without its save."""
    circuit = saving(3, "average")
    del circuit.data[-1]
    return circuit


if __name__ == "__main__":
    main()
