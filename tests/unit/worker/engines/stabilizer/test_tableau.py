# SPDX-License-Identifier: Apache-2.0
"""A tableau has the outcomes of stim's."""

from __future__ import annotations

import numpy as np
import pytest
import stim
from numpy.typing import NDArray

from qfleet_worker.engines.stabilizer.codes import Elementary
from qfleet_worker.engines.stabilizer.tableau import Reference

_E = Elementary
_NAMES = {_E.SX: "SQRT_X", _E.MEASURE: "M", _E.RESET: "R"}
Operations = tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32]]


def random_operations(num_qubits: int, length: int, rng: np.random.Generator) -> Operations:
    """Return elementary operations, among them one measurement or reset in ten."""
    codes = np.where(rng.random(length) < 0.1, rng.integers(_E.MEASURE, _E.NOISE, length), rng.integers(0, 9, length))
    first = rng.integers(0, num_qubits, length)
    second = (first + rng.integers(1, num_qubits, length)) % num_qubits
    return codes.astype(np.uint8), first.astype(np.int32), second.astype(np.int32)


def reference_of(operations: Operations) -> list[int]:
    """Return the outcomes of stim's tableau whose random outcomes are 0."""
    simulator, outcomes = stim.TableauSimulator(), []
    for code, first, second in zip(*[column.tolist() for column in operations], strict=True):
        if code in (_E.MEASURE, _E.RESET):
            simulator.postselect_z(first, desired_value=max(0, -simulator.peek_z(first)))
            value = int(simulator.measure(first))
            if code == _E.MEASURE:
                outcomes.append(value)
            elif value:
                simulator.x(first)
        else:
            targets = [first, second] if code in (_E.CX, _E.CZ, _E.SWAP) else [first]
            simulator.do(stim.Circuit(f"{_NAMES.get(code, Elementary(code).name)} {' '.join(map(str, targets))}"))
    return outcomes


@pytest.mark.parametrize("seed", range(40))
def test_a_reference_is_that_of_stim(seed: int) -> None:
    rng = np.random.default_rng(seed)
    num_qubits = int(rng.integers(2, 140))
    operations = random_operations(num_qubits, 500, rng)
    assert Reference(num_qubits).run(*operations).tolist() == reference_of(operations)


def test_a_reference_goes_on_where_it_was() -> None:
    operations = random_operations(70, 600, np.random.default_rng(1))
    whole, parts = Reference(70), Reference(70)
    found = [parts.run(*[column[begin : begin + 50] for column in operations]) for begin in range(0, 600, 50)]
    assert np.array_equal(whole.run(*operations), np.concatenate(found))


def test_ten_thousand_qubits_take_a_bit_for_two_letters() -> None:
    size = 10_000
    codes = np.repeat(np.array([_E.H, _E.CX, _E.X, _E.MEASURE], np.uint8), [1, size - 1, 1, size])
    first = np.concatenate([[0], np.arange(size - 1), [5], np.arange(size)]).astype(np.int32)
    second = np.concatenate([[0], np.arange(1, size), [5], np.arange(size)]).astype(np.int32)
    reference = Reference(size)
    assert np.flatnonzero(reference.run(codes, first, second)).tolist() == [5]
    assert reference.num_bytes < 1.05 * size**2 / 2
