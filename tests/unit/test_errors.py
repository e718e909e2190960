# SPDX-License-Identifier: Apache-2.0
"""Errors carry what their texts say as attributes, on every way to the user."""

from __future__ import annotations

import ast
import copy
import json
import pickle  # noqa: TID251 - of our own
from pathlib import Path

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter
from qiskit.primitives.containers.sampler_pub import SamplerPub

import qfleet
from qfleet import errors
from qfleet.cli.circuit_files import read_circuit_files
from qfleet.errors import (
    CircuitFileError,
    InvalidOptionError,
    QfleetError,
    UnboundParameterError,
    UnsupportedCircuitError,
)
from qfleet.lowering.lower import lower
from qfleet.options import RunOptions, check_option
from qfleet.primitives.pubs import sampler_entries
from qfleet.submission.prepare import prepare
from qfleet.wire.messages.request import Output

CLASSES = [getattr(errors, name) for name in errors.__all__]
#: Some have no fields: a server that doesn't start has no folder; the job of damaged data is added on the way up.
MAY_BE_WITHOUT = {"DamagedDataError", "LocalFleetError", "QfleetError"}
SOURCES = sorted(Path(qfleet.__file__).parent.rglob("*.py"))


def pickled(error: QfleetError) -> QfleetError:
    return pickle.loads(pickle.dumps(error))  # noqa: S301


@pytest.mark.parametrize("kind", CLASSES)
def test_fields_travel_with_the_error(kind: type[QfleetError]) -> None:
    fields = dict.fromkeys(kind.field_names(), 3)
    error = kind("text", **fields)
    copies = [pickled(error), copy.copy(error), copy.deepcopy(error)]
    for each in (error, *copies):
        assert (type(each), str(each), each.fields) == (kind, "text", fields)
        assert all(getattr(each, name) == 3 for name in fields)
    before = error.prefixed("PUB 1: ")
    assert (type(before), str(before), before.fields) == (kind, "PUB 1: text", fields)


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_made_of_its_text_alone(kind: type[QfleetError]) -> None:
    """Celery's `AsyncResult.get` makes errors of workers so."""
    error = kind("text")
    assert (str(error), error.fields) == ("text", {})
    assert all(getattr(error, name) is None for name in kind.field_names())


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(TypeError, match="CapacityError has no field 'bytes'"):
        errors.CapacityError("text", bytes=3)


def test_a_value_that_may_not_travel_is_kept_as_its_repr() -> None:
    error = InvalidOptionError("text", option="shots", value=lambda: 1)
    assert error.value.startswith("<function")
    assert pickled(error).fields == error.fields
    long = InvalidOptionError("text", value=list(range(1000)))
    assert (len(long.value), long.value[-3:]) == (200, "...")
    assert json.loads(json.dumps(InvalidOptionError("text", value=float("nan")).fields)) == {"value": "nan"}


def test_a_very_long_number_can_be_written() -> None:
    error = errors.CapacityError("text", number=1 << 20_000, limit=-(1 << 70))
    assert json.loads(json.dumps(error.fields)) == {"limit": "-2**70 or more", "number": "2**20000 or more"}
    wide = QuantumCircuit(20_000)
    wide.h(range(20_000))
    wide.measure_all()
    with pytest.raises(errors.CapacityError) as caught:
        prepare(wide, RunOptions(), backend_name="b", output=Output.STATEVECTOR, tags=(), metadata={}, retention=1)
    assert (caught.value.number, caught.value.limit) == (20_000, 39)
    assert json.dumps(caught.value.fields)


def test_each_place_that_raises_gives_fields() -> None:
    """By name: which of our classes are made with which arguments."""
    wrong, seen = [], set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            kind = getattr(errors, node.func.id, None) if node.func.id in errors.__all__ else None
            if kind is None:
                continue
            seen.add(kind.__name__)
            names = {keyword.arg for keyword in node.keywords}
            unknown = names - {None} - kind.field_names()
            if unknown or (not names and kind.__name__ not in MAY_BE_WITHOUT):
                wrong.append(f"{source.name}:{node.lineno} {kind.__name__} {sorted(unknown)}")
    assert not wrong
    assert len(seen) > 10


def test_the_place_in_a_circuit() -> None:
    inner = QuantumCircuit(1, name="inner")
    inner.append(Gate("odd", 1, []), [0])
    circuit = QuantumCircuit(2, name="outer")
    circuit.h(0)
    circuit.append(inner.to_instruction(), [1])
    with pytest.raises(UnsupportedCircuitError) as caught:
        lower(circuit)
    assert caught.value.fields == {
        "circuit": "outer",
        "operation": "inner",
        "position": 1,
        "qubits": (1,),
        "path": (("inner", 1), ("odd", 0)),
    }


def test_parameters_without_a_value() -> None:
    circuit = QuantumCircuit(1, name="open")
    inner = QuantumCircuit(1)
    inner.rx(Parameter("theta"), 0)
    circuit.append(inner.to_gate(), [0])
    circuit.data[0].operation.definition.rx(Parameter("phi"), 0)
    with pytest.raises(UnboundParameterError) as caught:
        lower(circuit)
    assert (caught.value.circuit, caught.value.parameters) == ("open", ("phi",))


def test_a_wrong_option() -> None:
    with pytest.raises(InvalidOptionError) as caught:
        check_option("shots", 0)
    assert caught.value.fields == {"option": "shots", "value": 0}


def test_an_error_about_a_pub_keeps_its_fields() -> None:
    circuit = QuantumCircuit(1, 1, name="of a PUB")
    circuit.append(Gate("odd", 1, []), [0])
    with pytest.raises(UnsupportedCircuitError, match="PUB 0: circuit 'of a PUB' holds 'odd'") as caught:
        sampler_entries([SamplerPub.coerce(circuit, 10)], RunOptions())
    assert (caught.value.circuit, caught.value.operation, caught.value.position) == ("of a PUB", "odd", 0)


def test_the_line_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "wrong.qasm"
    file.write_text("OPENQASM 2.0;\nqreg q[1];\nno_such_gate q[0];\n")
    with pytest.raises(CircuitFileError) as caught:
        read_circuit_files([file])
    assert caught.value.fields == {"path": str(file), "line": 3}
