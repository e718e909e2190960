# SPDX-License-Identifier: Apache-2.0
"""The contract between the driver and the states of an engine.

The driver takes shots through a program. An engine holds the states that the shots are in, and needs no more than this
contract: it applies its own steps, weighs and takes the ways of random events, samples, and answers what is saved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.randomness.uniforms import Uniforms
from qfleet_worker.engines.states.operators import Paulis

#: Shots that are sampled at a time.
SHOTS: Final = 1 << 18


class Samples(NamedTuple):
    """Results of the measurements at a circuit's end."""

    shots: NDArray[np.int64]
    #: int64, a basis state for each shot; or distinct ones in ascending order, which `counts` belongs to
    basis_states: NDArray[np.int64]
    #: the bit of a wire in a basis state
    bits: dict[int, int]
    #: the values of wires without a bit, 0 where absent
    values: dict[int, int]
    #: int64, how many shots have each basis state; ``None`` if each shot has its own
    counts: NDArray[np.int64] | None = None


class ClbitRows(NamedTuple):
    """Results of the measurements at a circuit's end, as bytes of clbits.

    Wide states give them, whose basis states aren't numbers of 64 bits.
    """

    shots: NDArray[np.int64]
    #: the byte of clbits of each column, in ascending order
    columns: tuple[int, ...]
    #: uint8, shape (shots, columns): the clbits that the measurements write last
    rows: NDArray[np.uint8]


class Answers(Protocol):
    """Quantities of one state, valid until its next step.

    Wires are those of the plan; the first of several is the lowest bit of an index. A state that can't answer raises
    `EngineError`.
    """

    def probabilities(self, wires: Sequence[int]) -> NDArray[np.float64]:
        """Return the probabilities of the values of some wires, shape (2**wires,)."""
        ...

    def probabilities_at(self, wires: Sequence[int], basis_states: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the probabilities of basis states, shape (basis states,).

        Bit i of a basis state is the value of ``wires[i]``.
        """
        ...

    def expectation_values(
        self, wires: Sequence[int], x_masks: NDArray[np.integer], z_masks: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """Return the expectation value of each Pauli, shape (terms,).

        Bit i of a mask belongs to ``wires[i]``. Wide masks have the shape (terms, words), the lowest 64 bits first.
        """
        ...

    def density_matrix(self, wires: Sequence[int]) -> NDArray[np.complex128]:
        """Return the reduced density matrix of some wires, row by row.

        Its shape is (4**wires,).
        """
        ...

    def amplitudes(self, wires: Sequence[int], factor: complex) -> ComplexArray:
        """Return all amplitudes times `factor` as a new array, shape (2**wires,)."""
        ...

    def amplitudes_at(self, wires: Sequence[int], basis_states: NDArray[np.int64]) -> ComplexArray:
        """Return the amplitudes of basis states, shape (basis states,).

        Bit i of a basis state is the value of ``wires[i]``.
        """
        ...


class States(Protocol):
    """States at one place of a program, numbered from 0."""

    def __len__(self) -> int: ...

    def apply(self, steps: Sequence[Any], begin: int, end: int) -> None:
        """Apply the steps ``begin`` to ``end - 1``.

        None of them is a step of the driver.
        """
        ...

    def apply_each(self, steps: Sequence[Any], angles: NDArray[np.float64]) -> bool:
        """Apply steps with angles of its own to each state.

        Args:
            steps: those of a whole plan.
            angles: shape (states, angles).

        Returns:
            Whether they were applied; these states, or these steps, may not allow it.
        """
        ...

    def lost(self) -> NDArray[np.bool_] | None:
        """Return the states given up for want of memory, shape (states,).

        It is ``None`` if none were.
        """
        ...

    def answers(self) -> Iterator[tuple[int, Answers]]:
        """Give each state's number and its answers.

        The answers are valid until the next ones are asked for. Lost states have none.
        """
        ...

    def weights(self, step: Any) -> NDArray[np.float64]:
        """Return the probability of each way of an `EventStep`.

        Returns:
            Shape (states, ways); each row adds up to 1.

        Raises:
            EngineError: the norm of a state isn't 1.
        """
        ...

    def densities(self, which: NDArray[np.int64], wires: Sequence[int]) -> NDArray[np.complex128]:
        """Return the reduced density matrices of some states.

        They aren't normalised. That of a lost state has no meaning.

        Args:
            which: the numbers of the states.
            wires: at least one; the first is the lowest bit of a matrix's index.

        Returns:
            Shape (states, 2**wires, 2**wires).
        """
        ...

    def populations(self, wires: Sequence[int]) -> NDArray[np.float64]:
        """Return the probabilities of the values of some wires, in each state.

        They aren't normalised. Those of a lost state have no meaning.

        Args:
            wires: at least one; the first is the lowest bit of a value.

        Returns:
            Shape (states, 2**wires).
        """
        ...

    def branch(self, step: Any, taken: NDArray[np.bool_], weights: NDArray[np.float64]) -> NDArray[np.int64]:
        """Let each state go the ways that its shots take.

        A state goes its first way in place. Each further way makes a new state behind the others, in the order of the
        states and then of the ways.

        Args:
            step: an `EventStep`, or an `OperatorStep`.
            taken: shape (states, ways), at least one in each row.
            weights: the result of `weights`; for an `OperatorStep` what each way's operator makes of the squared norm.

        Returns:
            Shape (states, ways): the number of each way's state. It is -1 for ways that aren't taken, and for those
            that there was no room for.
        """
        ...

    @property
    def together(self) -> bool:
        """Tell whether many states take little longer than one."""
        ...

    def room(self) -> int:
        """Return the number of further states that there is room for."""
        ...

    def fork(self, which: NDArray[np.int64], paulis: Paulis | None = None) -> States:
        """Return copies of states, with a Pauli on each if given.

        There is `room` for them. A state may be asked for more than once. A copy may be lost all the same.
        """
        ...

    def paulis(self, which: NDArray[np.int64], paulis: Paulis) -> None:
        """Apply a Pauli to each of some states; `which` has their numbers."""
        ...

    def norms(self) -> NDArray[np.float64]:
        """Return the squared norm of each state, shape (states,).

        That of a lost state has no meaning.
        """
        ...

    def scale(self, factors: NDArray[np.float64]) -> None:
        """Multiply each state by a number, shape (states,)."""
        ...

    def select(self, which: NDArray[np.int64]) -> None:
        """Keep these states alone, in this order."""
        ...

    def take_out(self, which: NDArray[np.bool_]) -> States:
        """Take some states out, and return them."""
        ...

    def join(self, others: Any) -> None:
        """Take in other states, behind those here."""
        ...

    def first_equal(self, kinds: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the first equal state of each state, shape (states,).

        Only states of the same kind are compared, up to a global phase.
        """
        ...

    def sample(
        self, plan: Any, shots: NDArray[np.int64], states: NDArray[np.int64], uniforms: Uniforms, counted: bool
    ) -> Iterator[Samples | ClbitRows]:
        """Measure all that a plan measures at its end.

        `statevector` may be asked for a state once the last of its shots has been given.

        Args:
            plan: the engine's plan.
            shots: in ascending order.
            states: the number of each shot's state, shape (shots,).
            uniforms: the random numbers of the shots.
            counted: whether samples may have counts.

        Raises:
            EngineError: the norm of a state isn't 1.
        """
        ...

    def statevector(self, state: int, plan: Any, values: dict[int, int], phase: complex) -> ComplexArray:
        """Return the amplitudes of a state whose final measurements are known.

        The array is new, of shape (2**qubits,).

        Args:
            state: the number of the state.
            plan: the engine's plan.
            values: the measured values by wire.
            phase: a factor of the amplitudes.
        """
        ...


class StateSource(Protocol):
    """A maker of states for one program."""

    def begin(self) -> States:
        """Return one state in |0...0>.

        The states that it made before are gone.
        """
        ...
