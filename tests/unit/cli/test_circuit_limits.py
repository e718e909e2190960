# SPDX-License-Identifier: Apache-2.0
"""Files of a few bytes that stand for more than any memory holds are refused soon, and with a reason."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from qiskit import QuantumCircuit, qpy

from qfleet.cli.circuit_files import read_circuit_files
from qfleet.cli.circuit_formats import UnreadableError
from qfleet.cli.circuit_probe import Probe
from qfleet.errors import CircuitFileError

QASM2 = 'OPENQASM 2.0;\ninclude "qelib1.inc";\n'
QASM3 = 'OPENQASM 3.0;\ninclude "stdgates.inc";\n'


def tenfold(levels: int, *, first: str = "x a;", gate: str = "gate") -> str:
    """Return gates, each with the one before in it ten times."""
    inner = "".join(f"{gate} g{n} a {{ {f'g{n - 1} a; ' * 10}}}\n" for n in range(1, levels + 1))
    return f"{gate} g0 a {{ {first} }}\n{inner}"


BOMBS = {
    "nested gates": QASM2 + tenfold(9) + "qreg q[1]; creg c[1]; g9 q[0]; measure q -> c;\n",
    "nested gates with a parameter": QASM2
    + "gate g0(t) a { rx(t) a; }\n"
    + "".join(f"gate g{n}(t) a {{ {f'g{n - 1}(t/2) a; g{n - 1}(t/3) a; ' * 5}}}\n" for n in range(1, 10))
    + "qreg q[1]; g9(1) q[0];\n",
    "nested gates of barriers": QASM2 + tenfold(9, first="barrier a;") + "qreg q[1]; g9 q[0];\n",
    "nested gates of nothing": QASM2 + tenfold(9, first="") + "qreg q[1]; g9 q[0];\n",
    "nested gates of OpenQASM 3": QASM3 + tenfold(9) + "qubit q; g9 q;\n",
    "a controlled nested gate": QASM3 + tenfold(7) + "qubit[2] q; ctrl @ g7 q[0], q[1];\n",
    "a loop": QASM3 + "qubit q; for int i in [0:2000000000] { x q; }\n",
    "a loop with its variable": QASM3 + "qubit q; for int i in [0:2000000000] { rx(i) q; }\n",
    "loops in loops": QASM3 + "qubit q; " + "for int i in [0:999] { " * 5 + "x q; " + "}" * 5 + "\n",
    "a hexadecimal register": QASM3 + "qubit[0xffff_ffff] q;\n",
    "a binary register": QASM3 + "bit[0b" + "1" * 32 + "] c;\n",
    "an octal register": QASM3 + "qubit[0o37777777777] q;\n",
    "a register of a constant": QASM3 + "const int n = 4294967295; qubit[n] q;\n",
    "a register of a product": QASM3 + "qubit[65535 * 65535] q;\n",
    "many registers": QASM2 + "".join(f"qreg q{n}[1000000];\n" for n in range(500)),
    "a gate under many controls": QASM3 + "qubit[2] q; ctrl(1000000000) @ x q[0], q[1];\n",
    "parentheses": QASM2 + "qreg q[1]; rx(" + "(" * 20_000 + "1" + ")" * 20_000 + ") q[0];\n",
    "parentheses of OpenQASM 3": QASM3 + "qubit q; rx(" + "(" * 20_000 + "1" + ")" * 20_000 + ") q;\n",
    "signs": QASM2 + "qreg q[1]; rx(" + "-" * 20_000 + "1) q[0];\n",
    "signs of OpenQASM 3": QASM3 + "qubit q; rx(" + "-" * 20_000 + "1) q;\n",
    "powers": QASM2 + "qreg q[1]; rx(" + "1^" * 20_000 + "1) q[0];\n",
    "functions": QASM2 + "qreg q[1]; rx(" + "sin(" * 20_000 + "1" + ")" * 20_000 + ") q[0];\n",
    "braces of OpenQASM 3": QASM3 + "qubit q; bit c; " + "if (c) { " * 20_000 + "x q; " + "}" * 20_000 + "\n",
}


ENDLESS = "while True: pass"
#: What is soon done with in Qiskit's parser and in lowering.
HARMLESS = {"signs", "powers", "nested gates of barriers", "nested gates of nothing"}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_is_answered_soon_and_with_little_memory(tmp_path: Path, name: str) -> None:
    """In a process of its own, whose parent part has 1 GiB beside what its imports take."""
    file = tmp_path / "bomb.qasm"
    file.write_text(BOMBS[name])
    reader = (
        "import resource, sys, psutil; from pathlib import Path; from qfleet.lowering.lower import lower\n"
        "from qfleet.cli.circuit_files import read_circuit_files\n"
        "from qfleet.errors import QfleetError\n"
        "limit = psutil.Process().memory_info().vms + (1 << 30)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "try:\n    [lower(circuit) for circuit in read_circuit_files([Path(sys.argv[1])])]\n"
        "except QfleetError as error:\n    print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", reader, file], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    if name not in HARMLESS:
        assert str(file) in ran.stdout


class TestProbe:
    def test_goes_on_after_what_it_refuses(self) -> None:
        with Probe() as probe:
            for _ in range(2):
                with pytest.raises(UnreadableError, match="'foo' is not defined"):
                    probe.check("qasm2", b"OPENQASM 2.0; qreg q[1]; foo q[0];")
                probe.check("qasm2", b"OPENQASM 2.0; qreg q[1]; U(0,0,0) q[0];")

    @pytest.mark.parametrize(
        ("bomb", "reason"), [(ENDLESS, "takes more than 0 s"), ("import os; os.abort()", "MiB of memory")]
    )
    def test_a_reader_beyond_its_limits_takes_only_its_own_process(
        self, monkeypatch: pytest.MonkeyPatch, bomb: str, reason: str
    ) -> None:
        # The child has limits of its own; here it is told what a bomb looks like to the parent.
        real = subprocess.Popen

        def popen(command: list[str], **options: object) -> subprocess.Popen[bytes]:
            return real([sys.executable, "-c", bomb], **options)  # type: ignore[call-overload,no-any-return]

        monkeypatch.setattr(subprocess, "Popen", popen)
        limits = {"seconds": 0.01, "start_seconds": 0} if bomb == ENDLESS else {}
        with Probe(**limits) as probe, pytest.raises(UnreadableError, match=reason):
            probe.check("qpy", b"QISKIT")

    def test_bounds_hold_for_each_file_on_its_own(self) -> None:
        """The time of earlier files isn't counted."""
        with Probe() as probe:
            for _ in range(3):
                with pytest.raises(UnreadableError, match="its 2000000001 turns unroll to"):
                    probe.check("qasm3", BOMBS["a loop with its variable"].encode())
            probe.check("qasm2", b"OPENQASM 2.0; qreg q[1];")


def test_a_qpy_of_a_loop(tmp_path: Path) -> None:
    circuit = QuantumCircuit(1, name="turns")
    with circuit.for_loop(range(2 * 10**9)):
        circuit.x(0)
    file = tmp_path / "loop.qpy"
    with file.open("wb") as out:
        qpy.dump(circuit, out)
    with pytest.raises(CircuitFileError, match=r"circuit 'turns' holds 'for_loop'.* 2000000000 turns unroll"):
        read_circuit_files([file])
