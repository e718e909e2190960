# SPDX-License-Identifier: Apache-2.0
"""All circuits of this folder as one job on a local fleet.

Run it with ``make demo``, or ``python examples/demo.py --out counts.png``.
"""

from __future__ import annotations

from pathlib import Path

import circuits as built
import click

from qfleet import FleetProvider
from qfleet.cli import interrupts
from qfleet.cli.circuit_files import read_circuit_files
from qfleet.cli.group import FleetCommand
from qfleet.cli.output import circuit_documents, print_counts
from qfleet.cli.plot import check_plot, save_histograms
from qfleet.cli.progress import wait_for_result
from qfleet.cli.terminal import echo

FOLDER = Path(__file__).parent


@click.command(cls=FleetCommand)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("out/demo.png"),
    show_default=True,
    help="Picture to write.",
)
@click.option("--shots", type=int, default=4096, show_default=True)
def demo(out: Path, shots: int) -> None:
    """Run the example circuits on a local fleet, and draw their counts."""
    check_plot(out)
    circuits = read_circuit_files(sorted(FOLDER.glob("qasm[23]/*.qasm")))
    circuits += [built.ghz(12), built.qft(6, value=37), built.grover("10110"), built.variational(6, layers=3)]

    with interrupts.raised(), FleetProvider.local(workers=2) as provider:
        echo(f"Two workers on {provider.server} run {len(circuits)} circuits.")
        job = provider.get_backend("automatic").run(circuits, shots=shots, seed_simulator=7)
        echo(f"Job {job.job_id()}")
        result = wait_for_result(job, timeout=120)
    print_counts(result)
    save_histograms(circuit_documents(result), out)
    echo(f"Histograms: {out}")


if __name__ == "__main__":
    demo()
