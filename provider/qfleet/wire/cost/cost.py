# SPDX-License-Identifier: Apache-2.0
"""The cost of a circuit on an engine.

It is memory, time and the size of the result. The client refuses circuits and packs shards by it, and a worker refuses
circuits by it: they agree by construction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from qfleet.wire.cost.branches import (
    Passes,
    holds_branches,
    is_wide,
    num_operations,
    num_sweeps,
    passes,
)
from qfleet.wire.cost.chains import chain_memory, chain_seconds
from qfleet.wire.cost.constants import ENGINES, FASTER_ENGINE, Constants, constants_of
from qfleet.wire.cost.errors import ErrorRuns
from qfleet.wire.cost.sizes import ROOM_OF_RESULT, counted_bytes, num_terms, output_bytes, program_bytes
from qfleet.wire.cost.tableaux import tableau_memory, tableau_seconds
from qfleet.wire.messages.request import EXACT_METHODS, METHODS, Output, Request, has_exact_means
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import Quantity

#: Bytes that an engine may hold at its peak besides its states: random numbers, the shots' clbits, saved branches.
OVERHEAD_BYTES: Final = 64 * 1024 * 1024

#: A state of more amplitudes than 2 to this power is refused: no machine holds it, and an array's size would overflow.
MOST_AMPLITUDES_LOG2: Final = 50

#: Bytes of a state that no machine holds.
MOST_STATE_BYTES: Final = 1 << 44
#: Predictions of seconds are numbers of floating point.
_LARGEST_EXPONENT: Final = 1000

#: Copies of output amplitudes at the peak: in the result, encoded, and with the header before it.
_AMPLITUDE_COPIES: Final = 3
#: Copies of other data at their peak: as collected, sorted or joined, encoded, and with the header before it.
_RESULT_COPIES: Final = 4
#: Copies of other data besides the states.
_RESULT_COPIES_BESIDE: Final = 2
#: Bytes that a saved value takes besides its own while shots are collected.
_ENTRY_BYTES: Final = 512
#: Bytes that a Pauli term takes while an expectation value is computed, in 64 parts of a state.
_TERM_BYTES: Final = 640
#: Bytes that a shot takes besides its bits, if these are wanted.
_BITS_BYTES: Final = 24
#: The number of shots whose bytes are a part of the overhead.
_MOST_SHOTS_OF_BITS: Final = 1 << 21

#: Quantities that read the whole state in an order of their own.
_READING: Final = frozenset({Quantity.PROBABILITIES, Quantity.DENSITY_MATRIX})


class Cost(NamedTuple):
    """The predicted cost of a circuit."""

    #: peak of the process that runs the circuit, in bytes; the interpreter and the engine's code aside
    memory_bytes: int
    #: the part of it that is for states
    state_bytes: int
    #: seconds of one thread, for all shots at one point
    seconds: float
    #: bytes of the result at one point, an upper estimate
    result_bytes: int


def cost(
    program: Program,
    request: Request,
    *,
    shots: int,
    points: int = 1,
    num_observables: int = 0,
    engine: str = FASTER_ENGINE,
    errors: ErrorRuns | None = None,
) -> Cost:
    """Return what a circuit costs on one engine. See `costs`."""
    load = {"shots": shots, "points": points, "num_observables": num_observables}
    return costs(program, request, **load, engines=(engine,), errors=errors)[engine]


def costs(
    program: Program,
    request: Request,
    *,
    shots: int,
    points: int = 1,
    num_observables: int = 0,
    engines: Iterable[str] = ENGINES,
    errors: ErrorRuns | None = None,
) -> dict[str, Cost]:
    """Return what a circuit costs on each engine.

    The number of entries of a save in a loop can't be known in advance. It is counted as if each shot reached the save
    once, and bounded while it grows.

    Args:
        program: the circuit's program.
        request: the request for it, with a resolved method.
        shots: shots at each point.
        points: points whose results are held together.
        num_observables: expectation values in the result, if not all that the program saves.
        engines: the engines' names.
        errors: those of the program, if they are known.
    """
    counted = counted_bytes(program, shots, request, num_observables)
    amplitudes = output_bytes(program.num_qubits, request)
    beside_states = _RESULT_COPIES_BESIDE * (counted.total * points + amplitudes * (points - 1))
    # A value that is added up exists four times: the old sum, the value, the weighted value, and the new sum.
    results = _RESULT_COPIES * counted.total * points + _AMPLITUDE_COPIES * amplitudes * points
    tableaux = METHODS[request.method].is_clifford
    others = OVERHEAD_BYTES + program_bytes(program, compiled=not tableaux) + _ENTRY_BYTES * counted.entries
    others += _TERM_BYTES * max([save.num_terms for save in program.saves], default=0)
    if request.output == Output.BITS:
        others += _BITS_BYTES * max(0, shots - _MOST_SHOTS_OF_BITS)
    size = amplitudes + ROOM_OF_RESULT + counted.total
    if METHODS[request.method].is_chain:
        states = chain_memory(program, request, shots)
        seconds = chain_seconds(program, request, shots, num_terms(program, num_observables))
        return dict.fromkeys(engines, Cost(others + max(states + beside_states, results), states, seconds, size))
    if tableaux:
        states = tableau_memory(program, shots)
        seconds = tableau_seconds(program, shots, num_terms(program, num_observables))
        return dict.fromkeys(engines, Cost(others + max(states + beside_states, results), states, seconds, size))
    steps = _steps(program, request, num_observables, errors)
    branches = holds_branches(program, shots, request.method, exact=has_exact_means(program, request.output))
    reads = _part_read(program, request)
    wide = request.method in EXACT_METHODS and bool(is_wide(program).any())
    found = {}
    for engine in engines:
        constants = constants_of(engine, request.method)
        more = constants.branching_states * branches + constants.reading_states * reads
        more += constants.wide_states * wide
        states = _states_bytes(program.num_qubits, request, constants.states + more)
        found[engine] = Cost(
            others + max(states + beside_states, results),
            states,
            _seconds(steps, constants, shots),
            size,
        )
    return found


def _part_read(program: Program, request: Request) -> float:
    """Return the part of a state that a save copies.

    Of several saves, it is the largest.
    """
    quantities = [program.saves[ref].spec.quantity for ref in program.save_refs.tolist()]
    if request.method not in EXACT_METHODS:
        return float(any([quantity in _READING for quantity in quantities]))
    if request.method == "superop":
        return 1.0
    widths = program.num_targets[program.codes == Op.SAVE].tolist()
    read = [width for width, quantity in zip(widths, quantities, strict=True) if quantity is Quantity.DENSITY_MATRIX]
    return max([4.0 ** (width - program.num_qubits) for width in read], default=0.0)


def states_bytes(num_qubits: int, request: Request, engine: str = FASTER_ENGINE) -> int:
    """Return the least bytes of memory that a circuit takes.

    The number is known before there is a program.

    Args:
        num_qubits: qubits that are simulated.
        request: the request for the circuit, with a resolved method.
        engine: the engine's name.
    """
    states = _states_bytes(num_qubits, request, constants_of(engine, request.method).states)
    return OVERHEAD_BYTES + max(states, _AMPLITUDE_COPIES * output_bytes(num_qubits, request))


def fits_a_machine(request: Request, num_qubits: int) -> bool:
    """Tell whether a machine may hold the state of some qubits."""
    # A machine needs memory beside the state.
    return request.state_bytes(num_qubits) < MOST_STATE_BYTES


def _states_bytes(num_qubits: int, request: Request, states: float) -> int:
    # Python's integers have no largest one.
    return round(100 * states) * request.state_bytes(num_qubits) // 100


def seconds_of(
    program: Program, request: Request, errors: ErrorRuns | None = None, engine: str = FASTER_ENGINE
) -> Callable[[int], float]:
    """Return a function that predicts the seconds of some shots.

    The arguments are those of `costs`.
    """
    if METHODS[request.method].is_clifford:
        return lambda shots: tableau_seconds(program, shots, num_terms(program))
    if METHODS[request.method].is_chain:
        return lambda shots: chain_seconds(program, request, shots, num_terms(program))
    steps, constants = _steps(program, request, 0, errors), constants_of(engine, request.method)
    return lambda shots: _seconds(steps, constants, shots)


class _Steps(NamedTuple):
    """The steps of a simulation, on any engine."""

    amplitudes: float
    passes: Passes
    operations: float
    #: operations that take a state as a whole
    sweeps: float
    terms: int


def _steps(program: Program, request: Request, num_observables: int, errors: ErrorRuns | None) -> _Steps:
    return _Steps(
        amplitudes=2.0 ** min(request.exponent(program.num_qubits), _LARGEST_EXPONENT),
        passes=passes(program, request.method, exact=has_exact_means(program, request.output), errors=errors),
        operations=num_operations(program),
        sweeps=num_sweeps(program, request.method),
        terms=num_terms(program, num_observables),
    )


def _seconds(steps: _Steps, constants: Constants, shots: int) -> float:
    term = constants.seconds_per_operation + constants.seconds_per_term * steps.amplitudes
    one_pass = steps.operations * constants.seconds_per_operation + steps.terms * term
    one_pass += steps.sweeps * constants.seconds_per_amplitude * steps.amplitudes
    number, runs = steps.passes.with_errors(shots)
    found = constants.seconds_per_circuit + one_pass * (number - runs) + shots * constants.seconds_per_shot
    errors = steps.passes.errors
    if errors is None:
        return found
    found += constants.seconds_per_noise + steps.operations * constants.seconds_per_operation_with_noise
    if errors.are_unitary and steps.passes.branches <= 1:
        amplitudes = constants.seconds_per_amplitude_of_run * steps.amplitudes
        found += runs * steps.sweeps * (constants.seconds_per_operation_of_run + amplitudes)
    else:
        found += runs * (one_pass + steps.sweeps * constants.seconds_per_operation_with_errors)
        visit = constants.seconds_per_visit + constants.seconds_per_amplitude_of_visit * steps.amplitudes
        found += errors.visits(shots, runs) * visit + errors.draws(shots) * constants.seconds_per_draw
    return found
