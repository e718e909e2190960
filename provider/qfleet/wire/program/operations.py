# SPDX-License-Identifier: Apache-2.0
"""Operations of a program, each described by one row of a table.

A new operation is a number in `Op`, a row of `SPECS`, and for a gate its matrix in `qfleet.wire.program.expansions`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, IntEnum, auto
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Op(IntEnum):
    """The operations of a program.

    The numbers are part of the wire format: never reuse one.
    """

    X = 1
    Y = 2
    Z = 3
    H = 4
    S = 5
    SDG = 6
    T = 7
    TDG = 8
    SX = 9
    SXDG = 10
    P = 11
    RX = 12
    RY = 13
    RZ = 14
    R = 15
    U = 16
    SWAP = 17
    ISWAP = 18
    DCX = 19
    ECR = 20
    RXX = 21
    RYY = 22
    RZZ = 23
    RZX = 24
    XX_MINUS_YY = 25
    XX_PLUS_YY = 26
    RCCX = 27
    RC3X = 28
    GLOBAL_PHASE = 29
    #: Any unitary: its table is the matrix, row-major, ``4**targets`` entries.
    UNITARY = 30
    #: A diagonal unitary: its table is the diagonal, ``2**targets`` entries.
    DIAGONAL = 31
    MEASURE = 32
    RESET = 33
    #: Reset the targets, then give them the state of the table, ``2**targets`` amplitudes of norm 1.
    INITIALIZE = 34
    #: Go on with another row.
    JUMP = 35
    #: Go on with another row if an expression of type BOOL is false.
    JUMP_UNLESS = 36
    #: Give clbits, a variable or one bit of either the value of an expression.
    STORE = 37
    #: Save data of the current state. The state isn't changed.
    SAVE = 38
    #: Apply a channel, an entry of the program's channels, to the targets.
    NOISE = 39
    #: Give the targets the density matrix of the table, row-major, ``4**targets`` entries.
    SET_DENSITY_MATRIX = 40
    #: Let the program so far be the channel of the table, on all qubits: a superoperator that stacks columns, row by
    #: row, ``16**targets`` entries.
    SET_SUPEROP = 41


class Kind(Enum):
    """The kinds of operations, by the things that they act on."""

    #: Acts on qubits, unitarily. All other kinds take no controls.
    UNITARY = auto()
    #: Acts on qubits, with random events.
    PROJECTIVE = auto()
    #: Acts on qubits: one of a channel's branches.
    NOISE = auto()
    #: Acts on clbits and variables, or changes the order of rows.
    FLOW = auto()
    #: Acts on nothing.
    SAVE = auto()


class Table(Enum):
    """The table of an operation."""

    NONE = auto()
    #: ``4**targets`` entries, row-major
    MATRIX = auto()
    #: ``2**targets`` entries
    DIAGONAL = auto()
    #: ``2**targets`` amplitudes
    STATE = auto()
    #: ``4**targets`` entries of a density matrix, row-major
    DENSITY_MATRIX = auto()
    #: ``16**targets`` entries of a superoperator, row-major
    SUPEROP = auto()


class Inverse(Enum):
    """The ways to invert an operation.

    Instead of one, a row may name the inverse operation.
    """

    #: It isn't unitary.
    NONE = auto()
    #: It is its own inverse.
    SELF = auto()
    #: It is its own inverse with its two targets exchanged.
    REVERSED = auto()
    #: Its first angle is negated.
    NEGATED = auto()
    #: All angles are negated, and the last two exchanged.
    EULER = auto()
    #: Its table is conjugated, and transposed if it is a matrix.
    ADJOINT = auto()
    #: Its adjoint matrix becomes the table of a UNITARY.
    MATRIX = auto()


#: Stands for one random event for each target.
PER_TARGET: Final = -1


class OpSpec(NamedTuple):
    """The description of an operation, except for its matrix."""

    op: Op
    #: Number of targets; ``None`` if each row has its own number.
    targets: int | None
    #: Number of angles, in radians: P(λ), RX(θ), RY(θ), RZ(φ), R(θ, φ), U(θ, φ, λ), RXX(θ), RYY(θ), RZZ(θ), RZX(θ),
    #: XX_MINUS_YY(θ, β), XX_PLUS_YY(θ, β), GLOBAL_PHASE(γ).
    angles: int = 0
    kind: Kind = Kind.UNITARY
    table: Table = Table.NONE
    #: Number of clbits that the row writes.
    clbits: int = 0
    #: Number of rows that the row may jump to.
    jumps: int = 0
    #: Number of expressions.
    expressions: int = 0
    #: Number of random events, or `PER_TARGET`.
    events: int = 0
    #: True if it takes a channel.
    channel: bool = False
    #: True if its matrix is always diagonal.
    diagonal: bool = False
    #: True if its targets change places.
    exchanges: bool = False
    inverse: Inverse | Op = Inverse.NONE
    #: Qiskit's names of standard gates that are exactly this row, each with its number of controls.
    gates: tuple[tuple[str, int], ...] = ()


# fmt: off
SPECS: Final = (
    OpSpec(Op.X, 1, inverse=Inverse.SELF, gates=(("x", 0), ("cx", 1), ("ccx", 2), ("mcx", 3))),
    OpSpec(Op.Y, 1, inverse=Inverse.SELF, gates=(("y", 0), ("cy", 1))),
    OpSpec(Op.Z, 1, diagonal=True, inverse=Inverse.SELF, gates=(("z", 0), ("cz", 1), ("ccz", 2))),
    OpSpec(Op.H, 1, inverse=Inverse.SELF, gates=(("h", 0), ("ch", 1))),
    OpSpec(Op.S, 1, diagonal=True, inverse=Op.SDG, gates=(("s", 0), ("cs", 1))),
    OpSpec(Op.SDG, 1, diagonal=True, inverse=Op.S, gates=(("sdg", 0), ("csdg", 1))),
    OpSpec(Op.T, 1, diagonal=True, inverse=Op.TDG, gates=(("t", 0),)),
    OpSpec(Op.TDG, 1, diagonal=True, inverse=Op.T, gates=(("tdg", 0),)),
    OpSpec(Op.SX, 1, inverse=Op.SXDG, gates=(("sx", 0), ("csx", 1), ("c3sx", 3))),
    OpSpec(Op.SXDG, 1, inverse=Op.SX, gates=(("sxdg", 0),)),
    OpSpec(Op.P, 1, 1, diagonal=True, inverse=Inverse.NEGATED, gates=(("p", 0), ("u1", 0), ("cp", 1), ("cu1", 1))),
    OpSpec(Op.RX, 1, 1, inverse=Inverse.NEGATED, gates=(("rx", 0), ("crx", 1))),
    OpSpec(Op.RY, 1, 1, inverse=Inverse.NEGATED, gates=(("ry", 0), ("cry", 1))),
    OpSpec(Op.RZ, 1, 1, diagonal=True, inverse=Inverse.NEGATED, gates=(("rz", 0), ("crz", 1))),
    OpSpec(Op.R, 1, 2, inverse=Inverse.NEGATED, gates=(("r", 0),)),
    OpSpec(Op.U, 1, 3, inverse=Inverse.EULER, gates=(("u", 0), ("u3", 0), ("cu3", 1))),
    OpSpec(Op.SWAP, 2, exchanges=True, inverse=Inverse.SELF, gates=(("swap", 0), ("cswap", 1))),
    OpSpec(Op.ISWAP, 2, exchanges=True, inverse=Inverse.MATRIX, gates=(("iswap", 0),)),
    OpSpec(Op.DCX, 2, inverse=Inverse.REVERSED, gates=(("dcx", 0),)),
    OpSpec(Op.ECR, 2, inverse=Inverse.SELF, gates=(("ecr", 0),)),
    OpSpec(Op.RXX, 2, 1, inverse=Inverse.NEGATED, gates=(("rxx", 0),)),
    OpSpec(Op.RYY, 2, 1, inverse=Inverse.NEGATED, gates=(("ryy", 0),)),
    OpSpec(Op.RZZ, 2, 1, diagonal=True, inverse=Inverse.NEGATED, gates=(("rzz", 0),)),
    OpSpec(Op.RZX, 2, 1, inverse=Inverse.NEGATED, gates=(("rzx", 0),)),
    OpSpec(Op.XX_MINUS_YY, 2, 2, inverse=Inverse.NEGATED, gates=(("xx_minus_yy", 0),)),
    OpSpec(Op.XX_PLUS_YY, 2, 2, inverse=Inverse.NEGATED, gates=(("xx_plus_yy", 0),)),
    OpSpec(Op.RCCX, 3, inverse=Inverse.SELF, gates=(("rccx", 0),)),
    OpSpec(Op.RC3X, 4, inverse=Inverse.MATRIX, gates=(("rcccx", 0),)),
    OpSpec(Op.GLOBAL_PHASE, 0, 1, diagonal=True, inverse=Inverse.NEGATED),
    OpSpec(Op.UNITARY, None, table=Table.MATRIX, inverse=Inverse.ADJOINT),
    OpSpec(Op.DIAGONAL, None, table=Table.DIAGONAL, diagonal=True, inverse=Inverse.ADJOINT),
    OpSpec(Op.MEASURE, 1, kind=Kind.PROJECTIVE, clbits=1, events=1),
    OpSpec(Op.RESET, 1, kind=Kind.PROJECTIVE, events=1),
    OpSpec(Op.INITIALIZE, None, kind=Kind.PROJECTIVE, table=Table.STATE, events=PER_TARGET),
    OpSpec(Op.JUMP, 0, kind=Kind.FLOW, jumps=1),
    OpSpec(Op.JUMP_UNLESS, 0, kind=Kind.FLOW, jumps=1, expressions=1),
    OpSpec(Op.STORE, 0, kind=Kind.FLOW, expressions=2),
    OpSpec(Op.SAVE, None, kind=Kind.SAVE),
    # One event selects the branch, the other one the operator of the branch.
    OpSpec(Op.NOISE, None, kind=Kind.NOISE, channel=True, events=2),
    # Density matrices alone have it.
    OpSpec(Op.SET_DENSITY_MATRIX, None, kind=Kind.PROJECTIVE, table=Table.DENSITY_MATRIX, events=PER_TARGET),
    OpSpec(Op.SET_SUPEROP, None, kind=Kind.PROJECTIVE, table=Table.SUPEROP, events=PER_TARGET),
)
# fmt: on
SPEC: Final[Mapping[Op, OpSpec]] = MappingProxyType({spec.op: spec for spec in SPECS})


def numbers_by_code(value: Callable[[OpSpec], int], missing: int = 0) -> NDArray[np.int64]:
    """Return a number of each operation by its code.

    Args:
        value: returns the number of an operation.
        missing: the number of codes that aren't an operation.

    Returns:
        A read-only array, int64, shape (256,): a code has 8 bits.
    """
    numbers = np.full(256, missing, np.int64)
    for spec in SPECS:
        numbers[spec.op] = value(spec)
    numbers.flags.writeable = False
    return numbers


def flags_by_code(value: Callable[[OpSpec], bool]) -> NDArray[np.bool_]:
    """Return a flag of each operation by its code.

    Returns:
        A read-only array, bool, shape (256,); False for other codes.
    """
    flags = np.zeros(256, np.bool_)
    for spec in SPECS:
        flags[spec.op] = value(spec)
    flags.flags.writeable = False
    return flags


IS_KNOWN: Final = flags_by_code(lambda _spec: True)
IS_UNITARY: Final = flags_by_code(lambda spec: spec.kind is Kind.UNITARY)
IS_FLOW: Final = flags_by_code(lambda spec: spec.kind is Kind.FLOW)
#: True if a row gives clbits or variables a value.
WRITES: Final = flags_by_code(lambda spec: spec.clbits > 0 or (spec.kind is Kind.FLOW and not spec.jumps))
EXCHANGES: Final = flags_by_code(lambda spec: spec.exchanges)
HAS_CHANNEL: Final = flags_by_code(lambda spec: spec.channel)
HAS_TABLE: Final = flags_by_code(lambda spec: spec.table is not Table.NONE)
#: Bits of a table's index for each target.
TABLE_BITS: Final = numbers_by_code(
    lambda spec: {Table.NONE: 0, Table.MATRIX: 2, Table.DENSITY_MATRIX: 2, Table.SUPEROP: 4}.get(spec.table, 1)
)
#: -1 if each row has its own number.
TARGETS: Final = numbers_by_code(lambda spec: -1 if spec.targets is None else spec.targets, missing=-1)
ANGLES: Final = numbers_by_code(lambda spec: spec.angles)
CLBITS: Final = numbers_by_code(lambda spec: spec.clbits)
JUMPS: Final = numbers_by_code(lambda spec: spec.jumps)
EXPRESSIONS: Final = numbers_by_code(lambda spec: spec.expressions)
#: `PER_TARGET` if each target is an event.
EVENTS: Final = numbers_by_code(lambda spec: spec.events)
