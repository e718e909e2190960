# SPDX-License-Identifier: Apache-2.0
"""How is numba's cache filled before the first circuit comes?"""

from __future__ import annotations

import logging
import time

import numpy as np

from qfleet.wire.program import Op, Operation, Program
from qfleet.wire.saves import Save, SaveKind
from qfleet_worker.engines.base import Experiment
from qfleet_worker.engines.ready import mark
from qfleet_worker.engines.statevector.engine import StatevectorEngine
from qfleet_worker.engines.statevector.machine_code import seconds_compiling

logger = logging.getLogger(__name__)


def warm() -> tuple[float, float]:
    """Compile, or load from the cache, all the machine code there is, by running circuits that use it.

    Returns the seconds that this took, and how many of them went into compiling. Raises OSError where nothing can be
    kept: set ``NUMBA_CACHE_DIR`` then.
    """
    begin, before = time.perf_counter(), seconds_compiling()
    engine = StatevectorEngine()
    for precision in ("double", "single"):
        for num_qubits in (3, 14):
            for program in _programs(num_qubits):
                for output in ("counts", "statevector"):
                    experiment = Experiment(program, 8, 1, output=output, precision=precision)
                    engine.run(experiment)
                    for _ in engine.sweep(experiment, program.params[None].repeat(2, axis=0), (1, 2)):
                        pass
        means = _program(8, 0, [*_gates(), Operation(Op.SAVE, (), (0, 1), (), None, -1, save=0)], many=True)
        for _ in engine.sweep(Experiment(means, 1, 1, precision=precision), means.params[None], (1,)):
            pass
        engine.run(Experiment(_programs(3)[0], 1, 1, output="unitary", precision=precision))
    mark()
    compiling = seconds_compiling() - before
    whole = time.perf_counter() - begin
    logger.info("machine code is ready after %.1f s, of which %.1f s were spent compiling", whole, compiling)
    return whole, compiling


def _programs(num_qubits: int) -> list[Program]:
    """A circuit of gates; one that is measured at the end; one with everything else."""
    wide = np.eye(32, dtype=np.complex128).reshape(-1)
    gates = _gates()
    measured = [
        *gates,
        Operation(Op.MEASURE, (), (0,), (), None, 0),
        Operation(Op.SAVE, (), (0, 1), (), None, -1, save=0),
        Operation(Op.H, (), (0,), (), None, -1),
        Operation(Op.RESET, (), (0,), (), None, -1),
        Operation(Op.INITIALIZE, (), (0,), (), np.array([0.6, 0.8], np.complex128), -1),
        Operation(Op.MEASURE, (), (1,), (), None, 0),
    ]
    if num_qubits > 9:
        measured[5:5] = [
            # A wire that is known to be 1 when something else comes to it.
            Operation(Op.X, (), (3,), (), None, -1),
            Operation(Op.MEASURE, (), (3,), (), None, 0),
            Operation(Op.UNITARY, (), (0, 1, 2, 3, 4), (), wide, -1),
            Operation(Op.DIAGONAL, (), tuple(range(9)), (), np.ones(512, np.complex128), -1),
        ]
    # Only qubits that something is done to have a place in the state.
    spread = [Operation(Op.T, (), (qubit,), (), None, -1) for qubit in range(num_qubits)]
    end = Operation(Op.MEASURE, (), (0,), (), None, 0)
    return [
        _program(num_qubits, 0, [*gates, *spread]),
        _program(num_qubits, 1, [*gates, *spread, end]),
        _program(num_qubits, 1, [*measured, *spread, end]),
    ]


def _gates() -> list[Operation]:
    return [
        Operation(Op.H, (), (0,), (), None, -1),
        Operation(Op.RZZ, (), (0, 1), (0.5,), None, -1),
        Operation(Op.X, (0,), (2,), (), None, -1),
    ]


def _observable(*, many: bool) -> Save:
    """Means of one term by itself, and of several that are transformed together; the only one, or one of many."""
    x = np.array([1, 2, 2, 2, 2, 2, 2, 2, 2], "<u8")
    z = np.array([1, 0, 1, 2, 3, 0, 1, 2, 3], "<u8")
    return Save(
        kind=SaveKind.EXPECTATION_VALUES if many else SaveKind.EXPECTATION_VALUE,
        label="",
        subtype="average",
        x_masks=x.tobytes(),
        z_masks=z.tobytes(),
        coefficients=np.ones(len(x), "<c16").tobytes(),
        starts=np.array([0, len(x)], "<i4").tobytes() if many else b"",
    )


def _program(num_qubits: int, num_clbits: int, operations: list[Operation], *, many: bool = False) -> Program:
    tables = [each.table for each in operations if each.table is not None]
    saves = (_observable(many=many),) if any(each.code is Op.SAVE for each in operations) else ()
    return Program(
        num_qubits=num_qubits,
        num_clbits=num_clbits,
        codes=np.array([each.code for each in operations], np.uint8),
        num_controls=np.array([len(each.controls) for each in operations], np.uint16),
        num_targets=np.array([len(each.targets) for each in operations], np.uint16),
        operands=np.array([qubit for each in operations for qubit in each.controls + each.targets], np.int32),
        clbits=np.array([each.clbit for each in operations if each.code is Op.MEASURE], np.int32),
        params=np.array([angle for each in operations for angle in each.params], np.float64),
        table_refs=np.arange(len(tables), dtype=np.int32),
        tables=tuple(tables),
        save_refs=np.arange(len(saves), dtype=np.int32),
        saves=saves,
    )
