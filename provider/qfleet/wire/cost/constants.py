# SPDX-License-Identifier: Apache-2.0
"""Constants of the engines: their speed and the states that they hold.

`benchmarks/cost.py` measures the seconds, and `benchmarks/_peak.py` the states.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from qfleet.wire.messages.presence import SLOWER_ENGINE
from qfleet.wire.messages.request import Method

FASTER_ENGINE: Final = "statevector"
ENGINES: Final = (FASTER_ENGINE, SLOWER_ENGINE)


class Constants(NamedTuple):
    """Constants of one engine and method. Seconds are those of one thread."""

    seconds_per_circuit: float
    seconds_per_operation: float
    #: of one amplitude, in one operation
    seconds_per_amplitude: float
    #: of one amplitude, in one Pauli term of an observable
    seconds_per_term: float
    seconds_per_shot: float
    #: states held at the peak
    states: float
    #: more states if the program measures or resets and goes on: those that wait for their turn
    branching_states: float
    #: more states if probabilities or a reduced density matrix are saved: the state in another order
    reading_states: float
    #: more states if a gate has too many qubits to be one matrix on a density matrix
    wide_states: float = 0.0
    #: of one operation, in a run with errors: it isn't fused across noise, and shots part there
    seconds_per_operation_with_errors: float = 0.0
    #: of one operation and one amplitude, in a run with errors that are all unitary: these are moved to where shots
    #: part, and leave the gates fused
    seconds_per_operation_of_run: float = 0.0
    seconds_per_amplitude_of_run: float = 0.0
    #: of a circuit with noise besides, and of one operation there
    seconds_per_noise: float = 0.0
    seconds_per_operation_with_noise: float = 0.0
    #: of a run at a channel whose way depends on the state, of one amplitude there, and of one shot's draw there
    seconds_per_visit: float = 0.0
    seconds_per_amplitude_of_visit: float = 0.0
    seconds_per_draw: float = 0.0


# Measured on an AMD EPYC of family 26, model 2 (Zen 5), with Python 3.11, numpy 2.4.6 and numba 0.68.1: double
# precision, one thread, the least CPU time of 5 rounds (numpy: 9), on a busy machine; 2 to 18 qubits. Predictions are
# off by a factor of 1.3 (numpy: 1.5) in the geometric mean.
_STATEVECTOR: Final = Constants(
    seconds_per_circuit=110e-6,
    seconds_per_operation=0.28e-6,
    seconds_per_amplitude=44e-12,
    seconds_per_term=46e-12,
    seconds_per_shot=32e-9,
    # Measured at 22 and 24 qubits: 1.02; 2.5 with branches; 2.05 with a density matrix; 3.05 with both. Branches in
    # control flow hold 3.0: two halves that wait, a state that is left, and the one that takes its place.
    states=1.1,
    branching_states=2.0,
    reading_states=1.0,
    # 1.1e-6 to 4e-6 on 5 to 12 qubits.
    seconds_per_operation_with_errors=1.4e-6,
    # Depolarized brickwork of 2 to 18 qubits, 1 to 100,000 shots: predictions are off by a factor of up to 2.5.
    seconds_per_operation_of_run=0.1e-6,
    seconds_per_amplitude_of_run=130e-12,
    seconds_per_noise=0.65e-3,
    seconds_per_operation_with_noise=6e-6,
    # Damping with jumps, strong damping and resets on 10 to 18 qubits: 4e-9 to 13e-9 of an amplitude; predictions are
    # off by a factor of up to 3.
    seconds_per_visit=1.5e-6,
    seconds_per_amplitude_of_visit=6e-9,
    seconds_per_draw=0.2e-6,
)
_NUMPY: Final = Constants(
    seconds_per_circuit=100e-6,
    seconds_per_operation=9.3e-6,
    seconds_per_amplitude=590e-12,
    seconds_per_term=3800e-12,
    seconds_per_shot=40e-9,
    # Measured at 24 qubits: 2.2; 3.0 with branches; 3.0 with a density matrix as well.
    states=3.0,
    branching_states=0.0,
    reading_states=0.0,
    seconds_per_operation_with_errors=9.3e-6,
    seconds_per_operation_of_run=18.6e-6,
    seconds_per_amplitude_of_run=590e-12,
    seconds_per_noise=0.65e-3,
    seconds_per_operation_with_noise=20e-6,
    # On 3 to 14 qubits; predictions are off by a factor of up to 5.
    seconds_per_visit=20e-6,
    seconds_per_amplitude_of_visit=25e-9,
    seconds_per_draw=0.2e-6,
)

# Density matrices: brickwork of 5 to 11 qubits with noise behind each gate. Measured at 11 qubits: 1.0 states; 2.3 with
# branches; 6.4 where all of it is saved, of which the result has 4; 8.0 with gates on 11 qubits. By numpy: 1.6, 2.6,
# 6.4 and 8.1.
_DENSITY: Final = Constants(
    seconds_per_circuit=250e-6,
    seconds_per_operation=6e-6,
    seconds_per_amplitude=630e-12,
    seconds_per_term=0.0,
    seconds_per_shot=32e-9,
    states=1.1,
    branching_states=2.0,
    reading_states=3.0,
    wide_states=7.5,
)
_NUMPY_DENSITY: Final = _DENSITY._replace(
    seconds_per_amplitude=15e-9,
    states=1.7,
)

# A superoperator is a density matrix of twice as many qubits, and is saved as a whole.
_SUPEROP: Final = _DENSITY._replace(reading_states=8.0)
_NUMPY_SUPEROP: Final = _NUMPY_DENSITY._replace(reading_states=8.0)


class TableauConstants(NamedTuple):
    """Constants of tableaux and frames. Seconds are those of one thread."""

    seconds_per_circuit: float
    #: of one operation, and of one word of 64 qubits there
    seconds_per_operation: float
    seconds_per_word: float
    #: of one word of a measurement that changes all rows
    seconds_per_word_of_measurement: float
    #: of one operation in a block of 1,024 shots
    seconds_per_operation_of_block: float
    #: of one operation in a branch of its own
    seconds_per_operation_of_branch: float
    #: of one measurement or reset in a branch with a tableau of its own, and of one word of the tableau there
    seconds_per_event_of_tableau: float
    seconds_per_word_of_tableau: float
    #: of one byte of a shot's clbits
    seconds_per_byte: float


class ChainConstants(NamedTuple):
    """Constants of matrix product states. Seconds are those of one thread."""

    seconds_per_circuit: float
    seconds_per_operation: float
    #: of a decomposition at a bond, for the third power of its size
    seconds_per_cube: float
    #: of each number of the state, for one shot
    seconds_per_number_of_shot: float


CHAIN: Final = ChainConstants(
    seconds_per_circuit=0.5e-3,
    seconds_per_operation=60e-6,
    seconds_per_cube=12e-9,
    seconds_per_number_of_shot=0.3e-9,
)

TABLEAU: Final = TableauConstants(
    seconds_per_circuit=0.5e-3,
    seconds_per_operation=0.3e-6,
    seconds_per_word=3e-9,
    seconds_per_word_of_measurement=0.5e-9,
    seconds_per_operation_of_block=20e-9,
    seconds_per_operation_of_branch=0.3e-6,
    seconds_per_event_of_tableau=100e-6,
    seconds_per_word_of_tableau=20e-9,
    seconds_per_byte=3e-9,
)

CONSTANTS: Final[Mapping[tuple[str, Method], Constants]] = {
    (FASTER_ENGINE, "statevector"): _STATEVECTOR,
    (FASTER_ENGINE, "density_matrix"): _DENSITY,
    (FASTER_ENGINE, "superop"): _SUPEROP,
    (FASTER_ENGINE, "unitary"): _STATEVECTOR,
    (SLOWER_ENGINE, "statevector"): _NUMPY,
    (SLOWER_ENGINE, "density_matrix"): _NUMPY_DENSITY,
    (SLOWER_ENGINE, "superop"): _NUMPY_SUPEROP,
    (SLOWER_ENGINE, "unitary"): _NUMPY,
}


def constants_of(engine: str, method: Method) -> Constants:
    """Return the constants of an engine.

    An engine without any has those of the slower one, which holds more states.
    """
    return CONSTANTS.get((engine, method)) or CONSTANTS.get((SLOWER_ENGINE, method)) or _NUMPY
