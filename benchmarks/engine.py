# SPDX-License-Identifier: Apache-2.0
"""The speed of the statevector engine and its peers.

Each mode is a module in benchmarks/modes, whose docstring says what it measures. Without --mode all modes run, which
takes more than an hour. All contenders run the same circuit in one process, in turns. A table shows our median
milliseconds, and each peer's median time divided by ours. Peers are Aer's statevector method, qulacs without and with
its light optimizer, qsim, PennyLane's lightning.qubit and lightning.kokkos, Qoro's Maestro, Qiskit's BasicSimulator and
Statevector (small sizes). qsim and what ends in "_single" are in single precision, and compared with ours. They are the
extra ``bench``:

    pip install -e '.[bench]'
    python benchmarks/engine.py --json results.json
    python benchmarks/engine.py --mode run --sizes 20,24 --families qft,volume --threads 1
    python benchmarks/engine.py --mode run --forms cx,cz,ecr --threads 1
    python benchmarks/engine.py --markdown results.json
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import os
import sys
from pathlib import Path

from _circuits import FAMILIES, FORMS, sizes
from _measure import Options, Row, machine
from _report import heading, table
from modes import TITLES

from qfleet_worker.engines.warm import warm
from qfleet_worker.machine.allocator import keep_freed_memory

PEERS = [
    "aer", "aer_state", "qulacs", "qulacs_light", "lightning", "kokkos", "maestro", "qsim", "qsim_4",
    "lightning_single", "kokkos_single", "statevector", "basic",
]  # fmt: skip


def commas(text: str) -> list[str]:
    """Return the parts of ``a,b`` as a list."""
    return text.split(",")


def main() -> None:
    """Run the modes, and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=TITLES, action="append", help="may be given several times (default: all)")
    parser.add_argument("--sizes", type=sizes, help="numbers of qubits, as 2-6,10 (default: what suits the mode)")
    parser.add_argument("--families", type=commas, help=f"of {', '.join(FAMILIES)} (default: what suits the mode)")
    parser.add_argument(
        "--forms",
        type=commas,
        default=["native"],
        help=f"of {', '.join(FORMS)}: gates in the mode run (default: native)",
    )
    parser.add_argument("--peers", type=commas, default=PEERS, help=f"of {', '.join(PEERS)} (default: all)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--budget", type=float, default=20, help="seconds for each circuit, roughly (default: 20)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write what was measured here")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="only print the tables of such a file")
    arguments = parser.parse_args()
    if arguments.markdown:
        report = json.loads(arguments.markdown.read_text("utf-8"))
        rows = [Row(**row) for row in report["rows"]]
        print("\n\n".join([heading(report["machine"]), *tables(rows)]))
        return
    # OpenMP reads it when the first peer is imported.
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    options = Options(
        arguments.threads, arguments.peers, arguments.repeats, arguments.budget, arguments.sizes, arguments.families,
        arguments.forms,
    )  # fmt: skip
    report = {"machine": machine(), "rows": []}
    print(heading(report["machine"]), flush=True)
    # As each process of a worker does. The peers benefit too.
    keep_freed_memory()
    warm()
    for name in arguments.mode or TITLES:
        rows = []
        for row in importlib.import_module(f"modes.{name}").measure(options):
            rows.append(row)
            print(f"  {row.mode}, {row.qubits} qubits, {row.case}", file=sys.stderr, flush=True)
        print("", *tables(rows), sep="\n", flush=True)
        report["rows"] += [dataclasses.asdict(row) for row in rows]
        if arguments.json:
            arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    print(f"\nLoad after: {os.getloadavg()[0]:.2f}")


def tables(rows: list[Row]) -> list[str]:
    """Return a table for each mode among the rows."""
    by_mode = {name: [row for row in rows if row.mode == name] for name in TITLES}
    return [table(TITLES[name], found) for name, found in by_mode.items() if found]


if __name__ == "__main__":
    main()
