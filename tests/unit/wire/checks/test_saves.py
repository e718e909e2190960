# SPDX-License-Identifier: Apache-2.0
"""Saves are checked before a worker does them, and their sizes are predicted."""

from __future__ import annotations

from typing import Any

import make_golden
import msgspec
import numpy as np
import pytest

from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.cost.sizes import saved_size
from qfleet.wire.errors import WireError
from qfleet.wire.messages.request import Request
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import Save, SaveKind

GOOD = make_golden.saving()


def one(save: Save, targets: int = 2, num_qubits: int = 2, **changed: Any) -> Program:
    """Return a program of one save."""
    fields: dict[str, Any] = {
        "num_qubits": num_qubits,
        "codes": np.array([Op.SAVE]),
        "num_controls": np.array([0]),
        "num_targets": np.array([targets]),
        "operands": np.arange(targets),
        "clbits": np.zeros(0, np.int32),
        "save_refs": np.array([0]),
        "saves": (save,),
    }
    return msgspec.structs.replace(GOOD, **(fields | changed))


def save(kind: SaveKind, subtype: str | None = None, **fields: Any) -> Save:
    averaged = kind not in (SaveKind.STATEVECTOR, SaveKind.STATEVECTOR_DICT, SaveKind.AMPLITUDES, SaveKind.UNITARY)
    return Save(kind=kind, label="x", subtype=subtype or ("average" if averaged else "single"), **fields)  # type: ignore[arg-type]


def mean(x: int = 0, z: int = 0, factor: complex = 1, **fields: Any) -> Save:
    data = {
        "x_masks": np.array([x], "<u8").tobytes(),
        "z_masks": np.array([z], "<u8").tobytes(),
        "coefficients": np.array([factor], "<c16").tobytes(),
    }
    return save(SaveKind.EXPECTATION_VALUE, **(data | fields))


def indices(*states: int) -> bytes:
    return np.array(states, "<i8").tobytes()


def test_saves_come_back() -> None:
    program = decode_program(encode_program(GOOD))
    assert program.saves == GOOD.saves
    assert [row.save for row in program] == [-1, 0, -1, 1, 2, 3]
    assert program.saves[3].paulis()[2].tolist() == [[1, 2], [3, 4]]


S = SaveKind
HOSTILE = {
    "no reference": (one(save(S.STATEVECTOR), save_refs=np.zeros(0)), "0 references for 1 saves"),
    "a save that isn't there": (one(save(S.STATEVECTOR), save_refs=np.array([1])), "refers to a save that isn't there"),
    "a save below zero": (one(save(S.STATEVECTOR), save_refs=np.array([-1])), "refers to a save that isn't there"),
    "a save that isn't done": (one(mean(), saves=(mean(), mean())), "isn't done by exactly one operation"),
    "two with one label": (
        msgspec.structs.replace(
            GOOD, saves=(GOOD.saves[0], *GOOD.saves[1:3], msgspec.structs.replace(GOOD.saves[3], label="e"))
        ),
        "two saves have the same label",
    ),
    "no targets": (one(save(S.PROBABILITIES), targets=0), "acts on 0 qubits"),
    "a part of a statevector": (one(save(S.STATEVECTOR), targets=1), "acts on 1 qubits"),
    "a part of a unitary": (one(save(S.UNITARY), targets=1), "acts on 1 qubits"),
    "an average of states": (one(save(S.STATEVECTOR, "average")), "can't be of the subtype 'average'"),
    "one shot's probabilities": (one(save(S.PROBABILITIES, "c_single")), "can't be of the subtype 'c_single'"),
    "too many probabilities": (one(save(S.PROBABILITIES), 31, 31), "31 qubits; at most 30"),
    "too large a density matrix": (one(save(S.DENSITY_MATRIX), 16, 16), "16 qubits; at most 15"),
    "too few words for a mask": (one(mean(), 65, 65), "masks and coefficients that don't belong together"),
    "too many qubits for a basis state": (one(save(S.AMPLITUDES, indices=indices(0)), 63, 63), "63 qubits; at most 62"),
    "no basis states": (one(save(S.AMPLITUDES)), "0 bytes of basis states"),
    "a part of a basis state": (one(save(S.AMPLITUDES, indices=b"1234567")), "7 bytes of basis states"),
    "basis states for a statevector": (one(save(S.STATEVECTOR, indices=indices(0))), "8 bytes of basis states"),
    "a basis state too high": (one(save(S.AMPLITUDES, indices=indices(4))), "a basis state that isn't there"),
    "a basis state below zero": (one(save(S.AMPLITUDES, indices=indices(-1))), "a basis state that isn't there"),
    "fewer Z masks": (one(mean(z_masks=b"")), "don't belong together"),
    "fewer coefficients": (one(mean(coefficients=b"")), "don't belong together"),
    "one row for a variance": (
        one(msgspec.structs.replace(mean(), kind=S.EXPECTATION_VALUE_VARIANCE)),
        "don't belong together",
    ),
    "Paulis for a statevector": (
        one(msgspec.structs.replace(mean(), kind=S.STATEVECTOR, subtype="single")),
        "no use for it",
    ),
    "an X on no qubit": (one(mean(x=4)), "a Pauli on a qubit that isn't there"),
    "a Z on no qubit": (one(mean(z=1 << 63)), "a Pauli on a qubit that isn't there"),
    "NaN": (one(mean(factor=complex(0, np.nan))), "isn't a finite number"),
    "a kind that isn't there": (one(msgspec.structs.replace(mean(), kind=99)), "damaged message"),
    "a subtype that isn't there": (one(msgspec.structs.replace(mean(), subtype="sum")), "damaged message"),
    "a label without an end": (one(msgspec.structs.replace(mean(), label="x" * 257)), "damaged message"),
    "a unitary after a measurement": (
        one(
            save(S.UNITARY),
            codes=np.array([Op.MEASURE, Op.SAVE]),
            num_controls=np.zeros(2),
            num_targets=np.array([1, 2]),
            operands=np.array([0, 0, 1]),
            clbits=np.array([0]),
        ),
        "a unitary is saved of what isn't unitary",
    ),
    "a unitary and a state": (
        one(
            save(S.UNITARY),
            codes=np.array([Op.SAVE, Op.SAVE]),
            num_controls=np.zeros(2),
            num_targets=np.array([2, 2]),
            operands=np.array([0, 1, 0, 1]),
            save_refs=np.arange(2),
            saves=(save(S.UNITARY), msgspec.structs.replace(save(S.STATEVECTOR), label="y")),
        ),
        "a unitary is saved together with a state",
    ),
    "controls": (
        one(save(S.PROBABILITIES), targets=1, num_controls=np.array([1]), operands=np.arange(2)),
        "has controls",
    ),
}


@pytest.mark.parametrize(("program", "text"), HOSTILE.values(), ids=HOSTILE)
def test_saves_that_no_engine_may_do(program: Program, text: str) -> None:
    with pytest.raises(WireError, match=text):
        decode_program(encode_program(program))


def test_the_size_counts_what_comes_back() -> None:
    big = 1 << 10
    state = one(save(S.STATEVECTOR), 10, 10)
    assert 16 * big <= saved_size(state, 1000, Request()).total < 16 * big + 100
    assert 8 * big <= saved_size(state, 1000, Request(precision="single")).total < 8 * big + 100
    # Without random events all shots save the same, and it is sent once.
    assert saved_size(one(save(S.STATEVECTOR, "list"), 10, 10), 1000, Request()).total < 16 * big + 4000 + 100
    after = msgspec.structs.replace(
        state,
        codes=np.array([Op.MEASURE, Op.SAVE]),
        num_controls=np.zeros(2),
        num_targets=np.array([1, 10]),
        operands=np.array([0, *range(10)]),
        clbits=np.array([0]),
        saves=(save(S.STATEVECTOR, "list"),),
    )
    assert saved_size(after, 1000, Request()).total >= 2 * 16 * big
    assert saved_size(after, 1, Request()).total < 2 * 16 * big
    assert saved_size(one(save(S.UNITARY, "list"), 5, 5), 1000, Request()).total >= 16 * big
    assert saved_size(msgspec.structs.replace(GOOD, saves=()), 9, Request()).total == 0


def test_which_programs_save_their_unitary() -> None:
    assert one(save(S.UNITARY)).saves_unitary()
    assert not GOOD.saves_unitary()
