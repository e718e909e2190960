# SPDX-License-Identifier: Apache-2.0
"""Circuit files of every kind, and of every kind of damage."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from circuits import bell
from qiskit import QuantumCircuit, qasm2, qpy
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.quantum_info import Operator

from qfleet.cli.circuit_files import MAX_FILE_BYTES, MIN_QPY_VERSION, read_circuit_files, read_circuits
from qfleet.cli.circuit_formats import Format
from qfleet.cli.circuit_probe import Probe
from qfleet.errors import CircuitFileError

QASM2 = 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\ncreg c[2];\n'
QASM3 = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[2] q;\nbit[2] c;\n'


def qpy_bytes(*circuits: QuantumCircuit) -> bytes:
    buffer = io.BytesIO()
    qpy.dump(list(circuits), buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def probe() -> Iterator[Probe]:
    """Yield the process that tries circuits. All tests share it: it takes a second to start."""
    with Probe() as probe:
        yield probe


class Untouched(Probe):
    """A probe that no file may reach."""

    def check(self, kind: Format, data: bytes) -> None:
        """Fail the test."""
        pytest.fail(f"{len(data)} bytes of {kind} were tried")


@pytest.fixture
def file(tmp_path: Path):
    def write(content: str | bytes, name: str = "some.circuit") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


class TestWhatIsRead:
    @pytest.mark.parametrize("suffix", ["qasm", "txt", "qpy"])
    @pytest.mark.parametrize(
        "content",
        [
            QASM2 + "h q[0];\ncx q[0], q[1];\nmeasure q -> c;\n",
            QASM3 + "h q[0];\ncx q[0], q[1];\nc = measure q;\n",
            "\n// OPENQASM 3.0;\n" + QASM2 + "h q[0]; cx q[0], q[1]; measure q -> c;",
            "/* OPENQASM 2.0;\n*/ " + QASM3 + "h q[0]; cx q[0], q[1]; c = measure q;",
            "\ufeff" + QASM2 + "h q[0]; cx q[0], q[1]; measure q -> c;",
            QASM2.replace("\n", "\r\n") + "h q[0]; cx q[0], q[1]; measure q -> c;",
        ],
        ids=["qasm2", "qasm3", "line comment first", "block comment first", "byte order mark", "CRLF"],
    )
    def test_openqasm_by_content_whatever_the_suffix(self, probe: Probe, file, content: str, suffix: str) -> None:
        [circuit] = read_circuits(file(content, f"two qubits.{suffix}"), probe)
        assert circuit == bell(register="c")
        assert circuit.name == "two qubits"

    def test_qpy_with_several_circuits_keeps_their_names(self, probe: Probe, file) -> None:
        path = file(qpy_bytes(bell("a", register="c"), bell("b", register="c")), "looks-like.qasm")
        circuits = read_circuits(path, probe)
        assert [circuit.name for circuit in circuits] == ["a", "b"]
        assert circuits == [bell(register="c"), bell(register="c")]

    def test_the_order_of_files_is_kept(self, file) -> None:
        paths = [file(qpy_bytes(bell("z"), bell("y")), "1"), file(QASM3, "x"), file(QASM2, "w")]
        assert [circuit.name for circuit in read_circuit_files(paths)] == ["z", "y", "x", "w"]

    @pytest.mark.parametrize("name", sorted(set(get_standard_gate_name_mapping()) - {"delay", "global_phase"}))
    def test_every_gate_that_qiskit_exports_to_openqasm2(self, probe: Probe, file, name: str) -> None:
        gate = get_standard_gate_name_mapping()[name]
        if gate.params:
            gate = gate.base_class(*[0.1 + 0.2 * index for index in range(len(gate.params))])
        exported = QuantumCircuit(gate.num_qubits, gate.num_clbits)
        exported.append(gate, exported.qubits, exported.clbits)
        [circuit] = read_circuits(file(qasm2.dumps(exported)), probe)
        if name in ("measure", "reset"):
            assert circuit.count_ops() == exported.count_ops()
        else:
            assert Operator(circuit).equiv(Operator(exported))

    def test_an_include_is_found_beside_the_file(self, probe: Probe, file) -> None:
        file("gate twice a, b { CX a, b; CX a, b; }\n", "mine.inc")
        [circuit] = read_circuits(file('OPENQASM 2.0;\ninclude "mine.inc";\nqreg q[2];\ntwice q[0], q[1];'), probe)
        assert circuit.count_ops() == {"twice": 1}

    def test_an_input_parameter_is_left_to_run(self, probe: Probe, file) -> None:
        [circuit] = read_circuits(file(QASM3 + "input float[64] a;\nrx(a) q[0];"), probe)
        assert [parameter.name for parameter in circuit.parameters] == ["a"]


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("content", "line", "reason"),
        [
            ("", None, "is empty"),
            (" \n\n", None, "is empty"),
            ("hello", None, "isn't a circuit"),
            ("qreg q[1];\n", None, "Add the OpenQASM version"),
            ("OPENQASM 4.0;\nqubit q;", None, "versions 2 and 3"),
            (b"\x89PNG\r\n\x1a\n\x00", 1, "not UTF-8"),
            ((QASM2 + "h q[0];").encode("utf-16"), 1, "not UTF-8"),
            (QASM2.encode() + b"// caf\xe9\n", 5, "not UTF-8"),
            (QASM2 + "foo q[0];", 5, "'foo' is not defined"),
            (QASM2 + "cx q[0],", 5, "end-of-file"),
            (QASM2 + "\n\nh q[7];", 7, "out-of-range"),
            (QASM2 + "rx(1/0) q[0];", 5, "divide by zero"),
            ('OPENQASM 2.0;\ninclude "nothere.inc";', 2, "nothere.inc"),
            ("OPENQASM 2.0;\nqreg q[5000000000];", 2, "the largest possible is 1000000"),
            ("OPENQASM 2.0;\nqreg a[1];\ncreg c[" + "9" * 10_000 + "];", 3, "the largest possible is 1000000"),
            ("OPENQASM 3.0;\nqubit[5_000_000] q;", 2, "the largest possible is 1000000"),
            (QASM3 + "foo q[0];", 5, "'foo' is not defined"),
            (QASM3 + "cx q[0],", 5, "syntax error"),
            (QASM3 + "\nrx( q[0];", 6, "no viable alternative"),
            (QASM3 + "h q[9];", None, "out of range"),
            (QASM3 + "def f() { }", 5, "not supported"),
            (QASM3 + "rx(" + "(" * 3000 + "1" + ")" * 3000 + ") q[0];", 5, "nested too deeply"),
        ],
    )
    def test_with_file_line_and_reason(
        self, probe: Probe, file, capfd: pytest.CaptureFixture[str], content: str | bytes, line: int | None, reason: str
    ) -> None:
        path = file(content)
        with pytest.raises(CircuitFileError) as caught:
            read_circuits(path, probe)
        message = caught.value.message
        assert message.startswith(f"{path}, line {line}: " if line else str(path))
        assert line is not None or ", line" not in message
        assert reason in message
        # nothing but the error: the parsers have prints of their own
        assert capfd.readouterr() == ("", "")

    def test_a_folder(self, probe: Probe, tmp_path: Path) -> None:
        with pytest.raises(CircuitFileError, match="can't be read: Is a directory"):
            read_circuits(tmp_path, probe)

    def test_a_file_over_the_limit(self, file) -> None:
        path = file(QASM2 + "//")
        os.truncate(path, MAX_FILE_BYTES + 1)
        with pytest.raises(CircuitFileError, match="more than 64 MiB"):
            read_circuits(path, Untouched())

    def test_one_bad_file_among_good_ones(self, file) -> None:
        good, bad = file(QASM2, "good"), file("hello", "bad")
        with pytest.raises(CircuitFileError, match="bad isn't a circuit"):
            read_circuit_files([good, bad])


class TestDamagedQpy:
    @pytest.mark.parametrize("version", range(MIN_QPY_VERSION))
    def test_a_version_that_can_run_code_never_reaches_qiskit(
        self, file, monkeypatch: pytest.MonkeyPatch, version: int
    ) -> None:
        monkeypatch.setattr(qpy, "load", lambda *_: pytest.fail("the file was loaded"))
        data = bytearray(qpy_bytes(bell(register="c")))
        data[6] = version
        with pytest.raises(CircuitFileError, match=f"version {version}; only 13 and newer.*CVE-2025-2000"):
            read_circuits(file(bytes(data)), Untouched())

    def test_version_13_is_read(self, probe: Probe, file) -> None:
        buffer = io.BytesIO()
        qpy.dump(bell(register="c"), buffer, version=13)
        assert read_circuits(file(buffer.getvalue()), probe) == [bell(register="c")]

    @pytest.mark.parametrize("length", [6, 7, 15, 40, -1])
    def test_truncated(self, probe: Probe, file, length: int) -> None:
        path = file(qpy_bytes(bell(register="c"))[:length])
        with pytest.raises(CircuitFileError) as caught:
            read_circuits(path, probe)
        assert str(path) in caught.value.message
        assert caught.value.message.isprintable()
        assert len(caught.value.message) < 400

    def test_a_number_of_programs_that_no_memory_holds(self, probe: Probe, file) -> None:
        data = bytearray(qpy_bytes(bell(register="c")))
        data[10:18] = b"\xff" * 8
        with pytest.raises(CircuitFileError, match="isn't readable QPY"):
            read_circuits(file(bytes(data)), probe)

    def test_from_a_qiskit_of_the_future(self, probe: Probe, file) -> None:
        data = bytearray(qpy_bytes(bell(register="c")))
        data[6] = 250
        with pytest.raises(CircuitFileError, match="250"):
            read_circuits(file(bytes(data)), probe)
