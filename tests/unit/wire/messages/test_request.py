# SPDX-License-Identifier: Apache-2.0
"""Requests, and the method that they come to."""

from __future__ import annotations

import make_golden
import msgspec
import pytest

from qfleet.wire.messages.methods import MethodError, resolve_method
from qfleet.wire.messages.request import Output, Request
from qfleet.wire.program.program import Program
from qfleet.wire.program.saves import Save, SaveKind

PLAIN = make_golden.program()
SAVING = msgspec.structs.replace(PLAIN, saves=(Save(kind=SaveKind.UNITARY, label="unitary", subtype="single"),))


HAS_ALL = "automatic: a statevector has all that the circuit saves and gives"


@pytest.mark.parametrize(
    ("program", "output", "asked", "method", "why"),
    [
        (
            PLAIN,
            Output.COUNTS,
            "automatic",
            "statevector",
            HAS_ALL,
        ),
        (PLAIN, Output.UNITARY, "automatic", "unitary", "automatic: the circuit gives its unitary"),
        (SAVING, Output.COUNTS, "automatic", "unitary", "automatic: the circuit saves its unitary"),
        (PLAIN, Output.BITS, "statevector", "statevector", "method='statevector' was asked for"),
        (SAVING, Output.UNITARY, "unitary", "unitary", "method='unitary' was asked for"),
    ],
)
def test_the_method_follows_from_what_is_wanted(
    program: Program, output: Output, asked: str, method: str, why: str
) -> None:
    assert resolve_method(program, Request(output, asked)) == (method, why)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("program", "request_", "text"),
    [
        (SAVING, Request(Output.COUNTS, "statevector"), "saves its unitary, which method='statevector' doesn't have"),
        (PLAIN, Request(Output.UNITARY, "statevector"), "gives its unitary, which method='statevector' doesn't have"),
        (
            SAVING,
            Request(Output.STATEVECTOR, "automatic"),
            "saves its unitary, and gives its statevector, and no",
        ),
        (PLAIN, Request(Output.COUNTS, "unitary"), "gives its counts, which method='unitary' doesn't have"),
    ],
)
def test_a_method_that_cannot_give_what_is_wanted(program: Program, request_: Request, text: str) -> None:
    with pytest.raises(MethodError, match=text):
        resolve_method(program, request_)


def test_outputs_are_written_as_in_stored_jobs() -> None:
    assert [str(output) for output in Output] == ["counts", "statevector", "unitary", "bits", "means"]
    for output in Output:
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(output), type=Output) is output
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(output)) == output.value


def test_a_request_says_what_an_engine_and_a_state_take() -> None:
    assert [output for output in Output if Request(output).returns_amplitudes] == [Output.STATEVECTOR, Output.UNITARY]
    assert [output for output in Output if Request(output).keeps_shots] == [Output.BITS]
    assert Request(memory=True).keeps_shots
    assert (Request().amplitude_bytes, Request(precision="single").amplitude_bytes) == (16, 8)
    assert (Request().exponent(5), Request(Output.UNITARY, "unitary").exponent(5)) == (5, 10)
