# SPDX-License-Identifier: Apache-2.0
"""The contract of engines.

It says what an engine can do, what it takes and what it gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from qfleet.wire.cost.cost import Cost
from qfleet.wire.messages.request import Method, Precision, Request
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import Saved


class EngineError(Exception):
    """An engine can't run a circuit.

    The text is for the user that submitted the circuit.
    """


class CompilerError(EngineError):
    """A compiled circuit doesn't fit its arrays, or its rows are inconsistent.

    That is a defect of qfleet, not of the circuit. Machine code raises the error before it writes beyond an array. Its
    text is a constant.
    """


_DTYPES: Final[dict[Precision, np.dtype[np.complexfloating]]] = {
    "double": np.dtype(np.complex128),
    "single": np.dtype(np.complex64),
}


def dtype_of(precision: Precision) -> np.dtype[np.complexfloating]:
    """Return the dtype of amplitudes."""
    return _DTYPES[precision]


class Experiment(msgspec.Struct, frozen=True, eq=False):
    """One circuit, its shots, and what is asked of it."""

    program: Program
    shots: int
    #: seeds the randomness of every shot
    seed: int
    #: the shots to run are ``first_shot .. first_shot + shots - 1``. The outcome of a shot depends on the
    #: program, the seed and the shot's number alone: a circuit cut into blocks of shots has the same outcomes as uncut.
    first_shot: int = 0
    #: its method is a resolved one
    request: Request = Request()
    #: how many threads may share the work
    threads: int = 1


#: The part of the squared norm that was cut off a matrix product state, and its largest bond.
Truncation: TypeAlias = tuple[float, int]


class Outcome(msgspec.Struct, frozen=True, eq=False, gc=False):
    """The outcome of an experiment.

    ``outcomes`` has one row per distinct outcome, in ascending order of the clbits read as a number; clbit 0 is the
    lowest bit of the row's first byte. Without clbits, or for a unitary, ``outcomes`` and ``counts`` are empty.
    If bits are wanted, ``outcomes`` has one row per shot, and ``counts`` is empty.
    """

    #: uint8, shape (distinct, ceil(num_clbits / 8))
    outcomes: NDArray[np.uint8]
    #: int64, shape (distinct,), adding up to the shots
    counts: NDArray[np.int64]
    #: uint32, shape (shots,): each shot's row in ``outcomes``; ``None`` unless asked for
    memory: NDArray[np.uint32] | None = None
    #: complex64 or complex128 by precision. Statevector: shape (2**n,), the state after the last shot.
    #: Unitary: shape (2**n, 2**n). ``None`` for counts.
    amplitudes: NDArray[np.complexfloating] | None = None
    #: the data of each of the program's saves, in their order
    saved: tuple[Saved, ...] = ()
    #: the number of distinct patterns of errors among the shots; 0 if they aren't drawn before the run
    patterns: int = 0
    #: ``None`` unless the method cuts bonds
    truncation: Truncation | None = None


class Simulator(Protocol):
    """A simulator of programs, in the process that runs circuits."""

    def run(self, experiment: Experiment) -> Outcome:
        """Run one circuit, with the same outcome in every process.

        The outcome of an experiment is the same to the bit. All simulators draw the random numbers that
        `qfleet_worker.engines.randomness.uniforms` defines, and find samples in the order of the qubits. So they give
        the same shots, except for one in many billions that falls on a rounding error.

        Raises:
            EngineError: the circuit can't be run.
            MemoryError: it doesn't fit; it keeps to the memory that `qfleet.wire.cost` predicts.
        """
        ...

    def sweep(self, experiment: Experiment, params: NDArray[np.float64], seeds: Sequence[int]) -> Iterator[Outcome]:
        """Run one circuit with many parameter sets, in order.

        Each outcome is that of `run` with row i of `params` in place of the program's, and with ``seeds[i]``. It raises
        as `run` does, at the parameter set that can't be run.

        Args:
            experiment: the circuit, its shots and its request.
            params: angles in radians, shape (parameter sets, len(program.params)).
            seeds: one for each parameter set.
        """
        ...


class Engine(Protocol):
    """A way to simulate programs, which may be available or not."""

    @property
    def name(self) -> str:
        """Return the name, which goes into the result's metadata."""
        ...

    @property
    def methods(self) -> frozenset[Method]:
        """Return the methods that it has."""
        ...

    @property
    def reason(self) -> str:
        """Return why it is taken where no other is preferred."""
        ...

    def available(self) -> str:
        """Return why the engine can't be used now; empty if it can.

        It is called for each shard.
        """
        ...

    def supports(self, program: Program, request: Request) -> str:
        """Return why the engine can't run a program; empty if it can.

        The method of the request is one of its own.
        """
        ...

    def cost(
        self, program: Program, request: Request, *, shots: int, points: int = 1, num_observables: int = 0
    ) -> Cost:
        """Return what a circuit costs; see `qfleet.wire.cost.cost.cost`."""
        ...

    def open(self) -> Simulator:
        """Return the simulator of this process, for all circuits.

        It is called once. The process isn't forked afterwards.
        """
        ...
