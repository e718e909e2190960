# SPDX-License-Identifier: Apache-2.0
"""A method is a folder: a product state, in one small file, passes the part of the contract that it supports."""

from __future__ import annotations

import ast
import math
import subprocess
import sys
from pathlib import Path

import engine_oracle as oracle
import numpy as np
import product_engine
import pytest
from aer_like import LikeAer
from engine_oracle import measure, op
from make_experiments import make_experiment
from product_engine import ProductEngine
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparseObservable

from qfleet.lowering.lower import lower
from qfleet.lowering.passes.expectation_values import save_expectation_values
from qfleet.wire.messages.request import Request
from qfleet.wire.program.operations import Op
from qfleet_worker.engines.choose import Engines
from qfleet_worker.engines.numpy.engine import NumpyEngine
from qfleet_worker.engines.numpy.simulator import NumpySimulator

SUITE = Path(__file__).with_name("test_engine_contract.py")
#: Tests of the suite that the product state can run; all others need entanglement, amplitudes or a unitary.
SUPPORTED = {
    "test_the_last_writer_of_a_clbit_wins",
    "test_some_qubits_measured_twice_and_crosswise",
    "test_many_distinct_outcomes_beyond_64_clbits_ascend",
    "test_clbits_without_measurement_are_zero",
    "test_without_clbits_there_are_no_outcomes",
    "test_memory_is_left_out_unless_asked_for",
    "test_shots_look_independent_in_their_order",
    "test_a_repeated_measurement_repeats_its_result",
}


@pytest.mark.timeout(300)
def test_which_part_of_the_suite_it_passes() -> None:
    command = [sys.executable, "-m", "pytest", "-v", "-k", "product", "-p", "no:cacheprovider", str(SUITE)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=290)
    assert result.returncode == 0, result.stdout[-3000:]
    passed = {line.partition("::")[2].partition("[")[0] for line in result.stdout.splitlines() if " PASSED" in line}
    assert passed == SUPPORTED


def test_a_method_is_a_small_folder_that_imports_no_other_engine() -> None:
    source = Path(product_engine.__file__).read_text()
    assert len(source.splitlines()) < 150
    imported = {node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)}
    engines = ("qfleet_worker.engines.numpy", "qfleet_worker.engines.statevector")
    assert not [name for name in imported if name.startswith(engines)]


@pytest.mark.parametrize("seed", range(10))
def test_it_gives_the_shots_of_the_other_engines(seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = [Op.H, Op.RY, Op.RX, Op.T, Op.U, Op.MEASURE, Op.MEASURE, Op.RESET]
    operations = [oracle.random_operation(rng, 4, 5, codes) for _ in range(40)]
    program = oracle.program(4, 5, [each for each in operations if len(each.targets + each.controls) == 1])
    experiment = make_experiment(program, 2000, seed, memory=True)
    ours, theirs = ProductEngine().run(experiment), NumpySimulator().run(experiment)
    assert np.array_equal(ours.outcomes, theirs.outcomes)
    assert np.array_equal(ours.memory, theirs.memory)


@pytest.mark.parametrize("seed", range(5))
def test_control_flow_and_saves_are_those_of_the_other_engines(seed: int) -> None:
    circuit = QuantumCircuit(3, 3)
    for qubit in range(3):
        circuit.u(*np.random.default_rng([seed, qubit]).uniform(0, 3, 3), qubit)
        circuit.measure(qubit, qubit)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.ry(0.7, 1)
        circuit.reset(2)
    with circuit.while_loop((circuit.clbits[1], 1)):
        circuit.h(1)
        circuit.measure(1, 1)
    circuit.append(LikeAer("save_probabilities", 3, "average"), [0, 1, 2])
    experiment = make_experiment(lower(circuit), 500, seed, memory=True)
    ours, theirs = ProductEngine().run(experiment), NumpySimulator().run(experiment)
    assert np.array_equal(ours.memory, theirs.memory)
    probabilities = [np.frombuffer(outcome.saved[0].values) for outcome in (ours, theirs)]
    assert probabilities[0] == pytest.approx(probabilities[1], abs=1e-12)


def test_expectation_values_of_ten_qubits_in_closed_form() -> None:
    angles = np.linspace(0.1, 3, 10)
    program = oracle.program(10, 0, [op(Op.RY, [qubit], [angle]) for qubit, angle in enumerate(angles)])
    program = save_expectation_values(program, [SparseObservable("Z" * 10), SparseObservable("X" * 10)])
    saved = ProductEngine().run(make_experiment(program, 1, 1)).saved[0]
    expected = [math.prod(np.cos(angles)), math.prod(np.sin(angles))]
    assert np.frombuffer(saved.values) == pytest.approx(expected, abs=1e-14)


def test_it_is_chosen_for_the_circuits_that_it_supports_and_the_reason_told_for_others() -> None:
    engines = Engines([ProductEngine(), NumpyEngine()])
    plain = engines.choose(oracle.program(1, 1, [op(Op.H, [0]), measure(0, 0)]), Request())
    assert (plain.engine.name, plain.reason) == ("product", "no qubits are entangled")
    entangled = engines.choose(oracle.program(2, 0, [op(Op.X, [1], controls=[0])]), Request())
    assert entangled.engine.name == "numpy"
    assert entangled.reason == "X acts on several qubits; a product state has no entanglement"
