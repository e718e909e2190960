# SPDX-License-Identifier: Apache-2.0
"""Definitions of an OpenQASM 2 file itself count, and nothing outside its folder is included."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from qiskit import QuantumCircuit, qasm2
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.qasm2 import LEGACY_CUSTOM_INSTRUCTIONS
from qiskit.quantum_info import Operator

from qfleet.cli import qasm2_source
from qfleet.cli.circuit_files import read_circuit_files
from qfleet.cli.qasm2_source import expand, parse
from qfleet.errors import CircuitFileError
from qfleet.lowering.lower import lower
from qfleet.wire.program.operations import Op

VERSION = "OPENQASM 2.0;\n"
LIBRARY = 'include "qelib1.inc";\n'
KNOWN = {custom.name: custom for custom in LEGACY_CUSTOM_INSTRUCTIONS}
#: All names that Qiskit gives a meaning to, in OpenQASM 2 or in a circuit.
NAMES = sorted(
    (KNOWN.keys() | get_standard_gate_name_mapping().keys() | {"unitary", "initialize", "save_state", "diagonal"})
    - {"measure", "reset", "barrier"}
)


def definition(name: str, params: int, qubits: int) -> tuple[str, str]:
    """Return a gate that flips its last qubit and nothing else, and a call of it on as many qubits of ``q``."""
    head = f"({','.join(f'p{number}' for number in range(params))})" if params else ""
    values = f"({','.join(['1'] * params)})" if params else ""
    operands = ",".join(f"a{number}" for number in range(qubits))
    call = f"{name}{values} {','.join(f'q[{number}]' for number in range(qubits))};\n"
    return f"gate {name}{head} {operands} {{ U(pi,0,pi) a{qubits - 1}; }}\n", call


def flipped(circuit: QuantumCircuit) -> list[int]:
    """Return the qubits of a circuit that are flipped, where it does nothing else."""
    rows = list(lower(circuit))
    for row in rows:
        assert not row.controls
        if row.code is Op.UNITARY:
            size = 1 << len(row.targets)
            expected = np.kron([[0, 1], [1, 0]], np.eye(size // 2))
            np.testing.assert_allclose(row.table.reshape(size, size), expected, atol=1e-12)
        else:
            assert (row.code, row.params) == (Op.U, pytest.approx([math.pi, 0, math.pi]))
    return [row.targets[-1] for row in rows]


def shape_of(name: str) -> tuple[int, int]:
    if name in KNOWN:
        return KNOWN[name].num_params, KNOWN[name].num_qubits
    gate = get_standard_gate_name_mapping().get(name)
    return (len(gate.params), max(gate.num_qubits, 1)) if gate is not None else (0, 1)


@pytest.mark.parametrize("head", [VERSION, VERSION + LIBRARY], ids=["alone", "with the library"])
@pytest.mark.parametrize("name", NAMES)
class TestOwnGates:
    def test_in_the_file(self, head: str, name: str) -> None:
        params, qubits = shape_of(name)
        gate, call = definition(name, params, qubits)
        assert flipped(parse(f"{head}{gate}qreg q[5];\n{call}")) == [qubits - 1]

    def test_with_other_parameters_and_qubits(self, head: str, name: str) -> None:
        params, qubits = shape_of(name)
        for own in ((params + 1, qubits), (params, qubits + 1), (0, 1)):
            gate, call = definition(name, *own)
            assert flipped(parse(f"{head}{gate}qreg q[6];\n{call}")) == [own[1] - 1]

    def test_inside_another_gate(self, head: str, name: str) -> None:
        params, qubits = shape_of(name)
        gate, call = definition(name, params, qubits)
        names = [f"b{number}" for number in range(qubits)]
        inner = call.replace("q[", "b").replace("]", "")
        text = f"{head}{gate}gate outer {','.join(names)} {{ {inner} }}\nqreg q[5];\n"
        assert flipped(parse(f"{text}outer {','.join(f'q[{n}]' for n in range(qubits))};")) == [qubits - 1]

    def test_in_an_include_beside_the_file(self, head: str, name: str, tmp_path: Path) -> None:
        params, qubits = shape_of(name)
        gate, call = definition(name, params, qubits)
        (tmp_path / "own.inc").write_text(gate)
        program = expand(tmp_path / "x.qasm", f'{head}include "own.inc";\nqreg q[5];\n{call}', 10**6)
        assert flipped(parse(program.text)) == [qubits - 1]

    def test_a_comment_defines_nothing(self, head: str, name: str) -> None:
        if name not in KNOWN or not (KNOWN[name].builtin or "include" in head) or name == "delay":
            return  # nobody defines it
        params, qubits = shape_of(name)
        gate, call = definition(name, params, qubits)
        circuit = parse(f"{head}// {gate}\nqreg q[5];\n{call}")
        assert circuit.data[0].operation == KNOWN[name].constructor(*[1] * params)


@pytest.mark.parametrize("name", ["asin", "acos", "atan"])
def test_a_gate_of_the_name_of_a_function(name: str) -> None:
    gate, call = definition(name, 1, 1)
    assert flipped(parse(f"{VERSION}{gate}qreg q[1];\n{call}")) == [0]
    circuit = parse(f"{VERSION}{LIBRARY}qreg q[1];\nrx({name}(0.3)) q[0];")
    assert circuit.data[0].params[0] == pytest.approx(getattr(math, name)(0.3))


def test_an_opaque_gate_that_qiskit_knows_is_qiskits() -> None:
    circuit = QuantumCircuit(1)
    circuit.delay(3, 0)
    assert parse(qasm2.dumps(circuit)) == circuit
    assert parse(VERSION + "opaque h a;\nqreg q[1];\nh q[0];").data[0].is_standard_gate()


def test_an_opaque_gate_of_another_shape_is_nothing_that_qiskit_knows() -> None:
    circuit = parse(VERSION + LIBRARY + "opaque h(p) a;\nqreg q[2];\nh(1) q[0];\ncx q[0],q[1];")
    assert [instruction.is_standard_gate() for instruction in circuit.data] == [False, True]


def test_the_librarys_other_gates_stay_qiskits() -> None:
    circuit = parse(VERSION + LIBRARY + "gate h a { x a; }\nqreg q[2];\nh q[0]; ch q[0],q[1]; u1(0.5) q[0]; x q[1];")
    assert [instruction.is_standard_gate() for instruction in circuit.data] == [False, True, True, True]


def test_what_qiskit_exports_means_the_same() -> None:
    circuit = QuantumCircuit(4)
    circuit.rzx(0.3, 0, 1)
    circuit.ecr(1, 2)
    circuit.rxx(0.4, 0, 3)
    circuit.ryy(0.5, 1, 3)
    circuit.mcx([0, 1, 2], 3)
    assert Operator(parse(qasm2.dumps(circuit))).equiv(Operator(circuit))


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], QuantumCircuit]:
    """Expands and parses the text of a file in a folder of its own."""
    folder = tmp_path / "circuits"
    folder.mkdir()

    def function(text: str) -> QuantumCircuit:
        return parse(expand(folder / "main.qasm", VERSION + text, 10**6).text)

    return function


class TestIncludes:
    def test_a_folder_below_and_an_include_in_an_include(self, read, tmp_path: Path) -> None:
        below = tmp_path / "circuits/lib"
        below.mkdir()
        (below / "a.inc").write_text('OPENQASM 2.0;\ninclude "b.inc"; gate a x { b x; }')
        (below / "b.inc").write_text("gate b x { U(pi,0,pi) x; }")
        (tmp_path / "circuits/link.inc").symlink_to(below / "b.inc")
        assert flipped(read('include "lib/a.inc";\nqreg q[1]; a q[0];')) == [0]
        assert flipped(read('include "link.inc";\nqreg q[1]; b q[0];')) == [0]

    def test_a_library_of_the_files_own(self, read, tmp_path: Path) -> None:
        (tmp_path / "circuits/qelib1.inc").write_text("gate h a { U(pi,0,pi) a; }")
        assert flipped(read(f"{LIBRARY}qreg q[1]; h q[0];")) == [0]

    def test_a_copy_of_qiskits_library_costs_nothing(self, read, tmp_path: Path) -> None:
        known = (qasm2.LEGACY_INCLUDE_PATH[0] / "qelib1.inc").read_text()
        (tmp_path / "circuits/qelib1.inc").write_text("// mine\n" + known.replace("\n", "\n\n"))
        assert read(f"{LIBRARY}qreg q[1]; h q[0];").data[0].is_standard_gate()

    @pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "/dev/zero", "link", "lib/../../secret"])
    def test_outside_the_folder(self, read, tmp_path: Path, name: str) -> None:
        (tmp_path / "secret").write_text("root:x")
        (tmp_path / "circuits/lib").mkdir()
        (tmp_path / "circuits/link").symlink_to(tmp_path / "secret")
        with pytest.raises(CircuitFileError, match=r"main\.qasm, line 3: includes '.*', which is outside") as caught:
            read(f'\ninclude "{name}";')
        assert "root:x" not in caught.value.message

    def test_a_pipe_and_a_folder(self, read, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "circuits/pipe")
        with pytest.raises(CircuitFileError, match="'pipe', which can't be read: it isn't a regular file"):
            read('include "pipe";')
        with pytest.raises(CircuitFileError, match=r"'\.', which can't be read"):
            read('include ".";')

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ('include "none.inc";', "'none.inc', which doesn't exist"),
            ('include "main.qasm";', "which includes itself"),
            ('include "self.inc";', "line 1 of 'self.inc': includes 'self.inc', which includes itself"),
            ('include "latin.inc";', "which isn't UTF-8"),
            ('include "large.inc";', "more text than is allowed"),
            ('include "empty.inc"; ' * 1001, "more than 1000 includes"),
            ('include "\x1b[31m.inc";', r"'\x1b[31m.inc', which doesn't exist"),
        ],
    )
    def test_what_cant_be_followed(self, read, tmp_path: Path, text: str, reason: str) -> None:
        folder = tmp_path / "circuits"
        (folder / "main.qasm").write_text("")
        (folder / "self.inc").write_text('include "self.inc";')
        (folder / "latin.inc").write_bytes(b"// \xe9")
        (folder / "large.inc").write_text("/" * 10**6 + "\n")
        (folder / "empty.inc").write_text("")
        with pytest.raises(CircuitFileError) as caught:
            read(text)
        assert reason in caught.value.message

    def test_an_error_names_the_include_and_its_line(self, tmp_path: Path) -> None:
        (tmp_path / "own.inc").write_text("gate a x { U(0,0,0) x; }\n\ngate b x { nothing x; }\n")
        file = tmp_path / "main.qasm"
        file.write_text(f'{VERSION}/* of\nmine */ include "own.inc"; qreg q[1];\nfoo q[0];')
        with pytest.raises(CircuitFileError, match=r"main\.qasm, line 3 of 'own\.inc': 'nothing' is not defined"):
            read_circuit_files([file])
        (tmp_path / "own.inc").write_text("gate a x { U(0,0,0) x; }\n\n")
        with pytest.raises(CircuitFileError, match=r"main\.qasm, line 4: 'foo' is not defined"):
            read_circuit_files([file])

    def test_includes_multiply_within_bounds(self, read, tmp_path: Path) -> None:
        for level in range(20):
            (tmp_path / f"circuits/{level}").write_text(f'include "{level + 1}"; ' * 2)
        (tmp_path / "circuits/20").write_text("")
        with pytest.raises(CircuitFileError, match="more than 1000 includes"):
            read('include "0";')


def test_comments_leave_strings_and_lines() -> None:
    text = 'include "http://x"; // "a"\n/* b\n*/ c'
    assert qasm2_source.without_comments(text) == 'include "http://x";       \n    \n   c'
