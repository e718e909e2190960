# SPDX-License-Identifier: Apache-2.0
"""Superoperators: the steps of a circuit applied to the identity.

The transfer matrix of the circuit so far is held as a density matrix of twice as many wires. The first half of them are
its rows, the second half its columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.contract import Experiment, Outcome
from qfleet_worker.engines.density.compiler import compile_stretch
from qfleet_worker.engines.density.kernels import Kernels
from qfleet_worker.engines.density.plan import SetMap
from qfleet_worker.engines.density.state import DensityState
from qfleet_worker.engines.density.transfer import FROM_PAULIS, TO_PAULIS, change_basis
from qfleet_worker.engines.driver.stretches import Stretch
from qfleet_worker.engines.results.outcomes import Tally
from qfleet_worker.engines.results.saved import Saver
from qfleet_worker.engines.steps import SaveStep


def run_superop(experiment: Experiment, kernels: Kernels) -> Outcome:
    """Run a circuit by the method ``superop``, and return what it saves.

    Args:
        experiment: the circuit and its request.
        kernels: do the work.
    """
    program = experiment.program
    size = program.num_qubits
    plan = compile_stretch(Stretch(program, True, True, 0), outcomes=False)
    state = DensityState(2 * size, kernels)
    matrix = state.paulis[: 16**size].reshape(4**size, -1)
    state.paulis[:] = 0
    matrix[...] = np.eye(len(matrix))
    saver = Saver(program, experiment.request.precision)
    for at, step in enumerate(plan.steps):
        if isinstance(step, SaveStep):
            saver.take_matrix(step, SuperopAnswers(state.paulis, size), range(size, 2 * size))
        elif isinstance(step, SetMap):
            # Its rows are over the wires as they are now.
            matrix[...] = _transfer(step.superop, size, step.wires).T
        else:
            state.apply(plan.steps, at)
    nothing = Tally(0, 0 if experiment.request.keeps_shots else None).result()
    return Outcome(*nothing, saved=saver.result())


class SuperopAnswers(NamedTuple):
    """The superoperator of a transfer matrix, as amplitudes."""

    #: shape (at least 16**n,)
    paulis: NDArray[np.float64]
    #: n
    num_qubits: int

    def amplitudes(self, wires: Sequence[int], factor: complex) -> ComplexArray:
        """Return the superoperator, row by row, times `factor`.

        Args:
            wires: those of the columns, then those of the rows.
            factor: multiplies all entries.
        """
        size = self.num_qubits
        tensor = self.paulis[: 16**size].reshape((4,) * 2 * size)
        rows, columns = wires[size:], wires[:size]
        axes = [2 * size - 1 - wire for wire in (*reversed(rows), *reversed(columns))]
        matrix = change_basis(tensor.transpose(axes).astype(np.complex128).reshape(-1), size, FROM_PAULIS)
        turned = np.ascontiguousarray(matrix.reshape(4**size, -1).T)
        entries = change_basis(turned.reshape(-1), size, np.ascontiguousarray(TO_PAULIS.T))
        # For each qubit of the columns and then of the rows, its bits in the row and in the column of a density matrix.
        every = entries.reshape((2,) * 4 * size)
        places = [2 * qubit + side for side in (1, 0) for qubit in range(size)]
        order = [*[2 * size + place for place in places], *places]
        stacked: ComplexArray = every.transpose(order).reshape(-1) * factor
        return stacked


def _transfer(superop: ComplexArray, size: int, wires: Sequence[int]) -> NDArray[np.float64]:
    """Return the transfer matrix of a superoperator.

    Args:
        superop: stacks columns; shape (4**n, 4**n).
        size: n.
        wires: the wire of each qubit's row.

    Returns:
        Shape (4**n, 4**n), its rows over the wires.
    """
    order = [side + qubit for qubit in range(size) for side in (size, 0)]
    split = superop.reshape((2,) * 4 * size)
    entries = split.transpose([*order, *[2 * size + axis for axis in order]]).astype(np.complex128).reshape(-1)
    matrix = change_basis(entries, size, TO_PAULIS).reshape(4**size, -1).T
    from_paulis = np.ascontiguousarray(FROM_PAULIS.T)
    transposed = change_basis(np.ascontiguousarray(matrix).reshape(-1), size, from_paulis).reshape(4**size, -1)
    rows = transposed.T.real.reshape((4,) * size + (-1,))
    axes = [size - 1 - wires.index(wire) for wire in reversed(range(size))]
    return np.ascontiguousarray(rows.transpose([*axes, size]).reshape(4**size, -1))
