# SPDX-License-Identifier: Apache-2.0
"""Random programs that are valid by construction.

They have every operation, jumps, expressions, saves, slots and tables. The same generator state gives the same program.
Nothing here needs hypothesis or Qiskit's circuits, so any test, benchmark or fuzzer can use it:
``random_program(np.random.default_rng(seed), 4)``.
"""

from __future__ import annotations

from collections.abc import Sequence

import engine_oracle as oracle
import numpy as np
from msgspec.structs import replace
from noise_oracle import random_channel
from numpy.typing import NDArray
from random_expressions import HIDDEN, random_expression, random_place

from qfleet.wire.messages.request import METHODS
from qfleet.wire.program.expressions import BOOL, FLOAT, Binary, BinaryOp, Constant, Expression, Variable
from qfleet.wire.program.formulas import Formula, Step, parameter
from qfleet.wire.program.operations import IS_UNITARY, Op
from qfleet.wire.program.program import Operation, Program
from qfleet.wire.program.saves import SAVE_SPEC, SAVE_SPECS, Payload, Quantity, Save, SaveKind, Subtype

#: Types of variables that programs have.
_TYPES = (BOOL, 1, 3, 8, 70, FLOAT)
_COUNTER = 4
#: Steps that keep numbers real and of moderate size.
_TAME_STEPS = (Step.SIN, Step.COS, Step.ATAN, Step.ABS, Step.CONJUGATE)
_TAME_PAIRS = (Step.ADD, Step.SUB, Step.MUL, Step.RSUB)
_GATES = tuple(code for code in Op if IS_UNITARY[code])
#: What statevectors save.
_SAVES = tuple(spec.kind for spec in SAVE_SPECS if spec.quantity in METHODS["statevector"].quantities)


def random_program(
    rng: np.random.Generator,
    num_qubits: int,
    num_clbits: int = 4,
    length: int = 24,
    *,
    flow: bool = True,
    saves: bool = True,
    slots: bool = False,
    unitary: bool = False,
    means: bool = False,
    noise: bool = False,
) -> Program:
    """Return a random program that every engine runs to its end.

    Args:
        rng: the source of randomness.
        num_qubits: the number of qubits, 1 or more.
        num_clbits: the number of clbits.
        length: the number of statements, roughly; a loop and each statement in it count.
        flow: True to include jumps, stores, loops and variables.
        saves: True to include saves, conditional ones and lists among them.
        slots: True to make some angles depend on parameters, for which `random_values` gives values.
        unitary: True to use gates and saves of the matrix only.
        noise: True to include noise and readout errors.
        means: True to end with a save of several observables, as an estimator's program does.
    """
    flow = flow and not unitary
    maker = _Maker(rng, num_qubits, 0 if unitary else num_clbits, flow, slots, noise)
    maker.statements(length, depth=2 if flow else 0, saves=saves and not means, unitary=unitary)
    if means:
        kind = SaveKind.EXPECTATION_VALUES if rng.random() < 0.5 else SaveKind.EXPECTATION_VALUES_AND_SQUARES
        maker.save(kind)
    return maker.program()


def random_values(rng: np.random.Generator, program: Program, points: int) -> NDArray[np.float64]:
    """Return values of a program's parameters, float64, shape (points, num_parameters)."""
    return rng.uniform(-3, 3, (points, program.num_parameters))


class _Maker:
    """The rows of one program, collected."""

    def __init__(
        self, rng: np.random.Generator, num_qubits: int, num_clbits: int, flow: bool, slots: bool, noise: bool
    ) -> None:
        self.rng = rng
        self.noise = noise
        self.num_qubits, self.num_clbits = num_qubits, num_clbits
        self.rows: list[Operation] = []
        #: the types of the variables, and the same as expressions may use them
        self.types = rng.choice(_TYPES, int(rng.integers(5))).tolist() if flow else []
        self.visible = self.types.copy()
        self.expressions: list[Expression] = []
        self.loops: list[tuple[int, str]] = []
        self.saves: list[Save] = []
        self.num_parameters = int(rng.integers(1, 4)) if slots else 0

    def statements(self, count: int, *, depth: int, saves: bool, unitary: bool = False) -> None:
        """Add statements, with at most `depth` blocks within each other."""
        for _ in range(count):
            chance = self.rng.random()
            if unitary:
                self.gate(_GATES)
                if saves and chance < 0.05:
                    self.save(SaveKind.UNITARY)
            elif depth and chance < 0.25:
                self.block(depth, saves)
            elif saves and chance < 0.35:
                self.save(_SAVES[int(self.rng.integers(len(_SAVES)))])
            elif chance < 0.55:
                codes = [Op.RESET, Op.INITIALIZE] + [Op.MEASURE] * 3 * bool(self.num_clbits)
                self.gate(codes)
            else:
                self.gate(_GATES)

    def gate(self, codes: Sequence[Op]) -> None:
        """Add a gate, a measurement, a reset or an initialization among `codes`."""
        made = oracle.random_operation(self.rng, self.num_qubits, self.num_clbits, codes)
        if self.rng.random() < 0.3:
            made = made._replace(params=tuple((np.pi / 4 * self.rng.integers(-4, 5, len(made.params))).tolist()))
        if self.noise and made.code is Op.MEASURE and self.rng.random() < 0.7:
            made = made._replace(flips=tuple(self.rng.choice([0.0, 0.1, 0.4, 1.0], 2).tolist()))
        self.rows.append(made)
        if self.noise and self.rng.random() < 0.5:
            width = int(self.rng.integers(1, min(self.num_qubits, 3) + 1))
            targets = tuple(self.rng.permutation(self.num_qubits)[:width].tolist())
            channel = random_channel(self.rng, width)
            self.rows.append(Operation(Op.NOISE, (), targets, (), None, -1, channel=channel))

    def block(self, depth: int, saves: bool) -> None:
        """Add a store, a branch, two branches, a loop or a statement."""
        inner, kind = int(self.rng.integers(1, 5)), int(self.rng.integers(5))
        if kind == 0 and (self.num_clbits or set(self.visible) - {HIDDEN}):
            place, of_type = random_place(self.rng, self.num_clbits, self.visible)
            self.store(place, random_expression(self.rng, of_type, 2, self.num_clbits, self.visible))
        elif kind == 1:
            skip = self.jump(Op.JUMP_UNLESS)
            self.statements(inner, depth=depth - 1, saves=saves)
            self.land(skip)
        elif kind == 2:
            otherwise = self.jump(Op.JUMP_UNLESS)
            self.statements(inner, depth=depth - 1, saves=saves)
            end = self.jump(Op.JUMP)
            self.land(otherwise)
            self.statements(inner, depth=depth - 1, saves=saves)
            self.land(end)
        elif kind == 3:
            self.loop(inner, depth, saves)
        else:
            self.statements(1, depth=0, saves=saves)

    def loop(self, inner: int, depth: int, saves: bool) -> None:
        """Add a loop that ends after at most three rounds.

        Some loops have a break.
        """
        counter, rounds = Variable(len(self.types)), int(self.rng.integers(4))
        self.types.append(_COUNTER)
        # Nothing inside the loop may store to its counter.
        self.visible.append(HIDDEN)
        self.store(counter, Constant(_COUNTER, b""))
        begin = len(self.rows)
        self.loops.append((begin, f"loop {begin}"))
        leave = [self.jump(Op.JUMP_UNLESS, Binary(BinaryOp.LESS, counter, Constant(_COUNTER, bytes([rounds]))))]
        self.store(counter, Binary(BinaryOp.ADD, counter, Constant(_COUNTER, b"\x01")))
        self.statements(inner, depth=depth - 1, saves=saves)
        if self.rng.random() < 0.4:
            leave.append(self.jump(Op.JUMP_UNLESS))
            self.statements(1, depth=0, saves=saves)
        self.rows.append(_jump(Op.JUMP, begin))
        for row in leave:
            self.land(row)

    def jump(self, code: Op, condition: Expression | None = None) -> int:
        """Add a jump that must still `land`, and return its row."""
        if condition is None:
            condition = random_expression(self.rng, BOOL, 2, self.num_clbits, self.visible)
        self.rows.append(_jump(code, -1, (condition,) if code is Op.JUMP_UNLESS else ()))
        return len(self.rows) - 1

    def land(self, row: int) -> None:
        """Let a jump lead to the row that comes next."""
        self.rows[row] = self.rows[row]._replace(jump=len(self.rows))

    def store(self, place: Expression, value: Expression) -> None:
        self.rows.append(Operation(Op.STORE, (), (), (), None, -1, -1, (place, value)))

    def save(self, kind: SaveKind) -> None:
        """Add a save of this kind."""
        rng, spec = self.rng, SAVE_SPEC[kind]
        several = spec.payload is Payload.PAULI_SUMS
        width = self.num_qubits if spec.whole_state else int(rng.integers(1, self.num_qubits + 1))
        targets = rng.permutation(self.num_qubits)[:width].tolist()
        prefix = "c_" if rng.random() < 0.3 and not several and spec.quantity is not Quantity.MATRIX else ""
        subtype: Subtype = prefix + str(rng.choice(spec.manners))  # type: ignore[assignment]
        terms = int(rng.integers(1, 12)) if several or spec.payload is Payload.PAULIS else 0
        rows = 2 if spec.variance else 1
        coefficients = rng.normal(size=rows * terms) + 0j
        cuts = np.sort(rng.integers(0, terms + 1, 3)) if several else ()
        made = Save(
            kind=kind,
            label=f"save {len(self.saves)}",
            subtype=subtype,
            indices=rng.integers(0, 1 << self.num_qubits, 3).astype("<i8").tobytes()
            if spec.payload is Payload.BASIS_STATES
            else b"",
            x_masks=rng.integers(0, 1 << width, terms).astype("<u8").tobytes(),
            z_masks=rng.integers(0, 1 << width, terms).astype("<u8").tobytes(),
            coefficients=coefficients.astype("<c16").tobytes(),
            starts=np.array([0, *cuts, terms], "<i4").tobytes() if several else b"",
        )
        self.rows.append(Operation(Op.SAVE, (), tuple(targets), (), None, -1, save=len(self.saves)))
        self.saves.append(made)

    def formula(self) -> Formula:
        """Return a random formula whose result is real, finite and below 1000."""
        index = int(self.rng.integers(self.num_parameters))
        if self.rng.random() < 0.4:
            return parameter(index)
        steps, parameters, numbers = [Step.PARAMETER], [index], []
        for _ in range(int(self.rng.integers(1, 6))):
            if self.rng.random() < 0.5:
                steps.append(_TAME_STEPS[int(self.rng.integers(len(_TAME_STEPS)))])
                continue
            if self.rng.random() < 0.5:
                steps.append(Step.PARAMETER)
                parameters.append(int(self.rng.integers(self.num_parameters)))
            else:
                steps.append(Step.NUMBER)
                numbers.append(complex(self.rng.uniform(-2, 2)))
            steps.append(_TAME_PAIRS[int(self.rng.integers(len(_TAME_PAIRS)))])
        return Formula(bytes(steps), np.array(parameters, "<i4").tobytes(), np.array(numbers, "<c16").tobytes())

    def program(self) -> Program:
        """Return the program of everything added."""
        plain = program_of(
            self.rows, self.num_qubits, self.num_clbits, variables=self.types, loops=self.loops, saves=self.saves
        )
        if not self.num_parameters:
            return plain
        places = np.flatnonzero(self.rng.random(len(plain.params)) < 0.5).astype(np.int32)
        params = plain.params.copy()
        params[places] = 0
        formulas = [self.formula() for _ in range(int(self.rng.integers(1, 5)))]
        return replace(
            plain,
            params=params,
            num_parameters=self.num_parameters,
            slots=places,
            slot_refs=self.rng.integers(0, len(formulas), len(places)).astype(np.int32),
            formulas=tuple(formulas),
        )


def program_of(
    rows: Sequence[Operation],
    num_qubits: int,
    num_clbits: int,
    *,
    variables: Sequence[int] = (),
    loops: Sequence[tuple[int, str]] = (),
    saves: Sequence[Save] = (),
) -> Program:
    """Return the program that consists of these rows, of any operation."""
    return replace(
        oracle.program(num_qubits, num_clbits, rows),
        jumps=np.array([row.jump for row in rows if row.jump >= 0], np.int32),
        expression_refs=np.arange(sum(len(row.expressions) for row in rows), dtype=np.int32),
        expressions=tuple([each for row in rows for each in row.expressions]),
        variables=tuple(variables),
        loops=tuple(loops),
        save_refs=np.array([row.save for row in rows if row.save >= 0], np.int32),
        saves=tuple(saves),
        channel_refs=np.arange(sum(row.channel is not None for row in rows), dtype=np.int32),
        channels=tuple([row.channel for row in rows if row.channel is not None]),
        flips=np.array(
            [flip for row in rows if row.code is Op.MEASURE for flip in row.flips or (0.0, 0.0)]
            if any(row.flips for row in rows)
            else [],
            np.float64,
        ),
    )


def _jump(code: Op, goal: int, expressions: tuple[Expression, ...] = ()) -> Operation:
    return Operation(code, (), (), (), None, -1, goal, expressions)
