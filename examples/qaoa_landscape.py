# SPDX-License-Identifier: Apache-2.0
"""A picture of QAOA's mean cut over a grid of angles.

The graph for MaxCut is Petersen's: 10 nodes, 15 edges, 3 at each node. It has no triangles, so a formula gives the
means too.

    python examples/qaoa_landscape.py --points 64 --out out/qaoa.png
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from progress_bar import progress_bar
from qiskit.circuit import Parameter, QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qfleet import FleetProvider, SamplerV2, sweep

NODES = 10
EDGES = [
    *((node, (node + 1) % 5) for node in range(5)),
    *((node, node + 5) for node in range(5)),
    *((5 + node, 5 + (node + 2) % 5) for node in range(5)),
]


def qaoa() -> QuantumCircuit:
    """Return one layer of QAOA, with the parameters β and γ."""
    circuit, beta, gamma = QuantumCircuit(NODES, name="qaoa"), Parameter("β"), Parameter("γ")
    circuit.h(range(NODES))
    for edge in EDGES:
        circuit.rzz(-gamma, *edge)
    circuit.rx(2 * beta, range(NODES))
    return circuit


def cut_observable() -> SparsePauliOp:
    """Return the observable that counts edges between different bits.

    It is the sum of (1 - ZZ) / 2 over all edges.
    """
    terms = [("ZZ", edge, -0.5) for edge in EDGES]
    return SparsePauliOp.from_sparse_list([("", [], len(EDGES) / 2), *terms], NODES)


def cut(bits: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count the edges that each row of bits cuts."""
    ends = np.array(EDGES)
    return np.asarray(np.sum(bits[..., ends[:, 0]] != bits[..., ends[:, 1]], axis=-1))


def formula(beta: NDArray[np.float64] | float, gamma: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return the exact mean cut of one layer of QAOA.

    The formula holds for 3-regular graphs without triangles (Wang et al., arXiv:1706.02998).
    """
    return np.asarray(len(EDGES) * (0.5 + 0.5 * np.sin(4 * beta) * np.sin(gamma) * np.cos(gamma) ** 2))


def draw(path: Path, beta: NDArray[np.float64], gamma: NDArray[np.float64], means: NDArray[np.float64]) -> None:
    """Draw the landscape with its best point."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.add_subplot()
    filled = axes.contourf(gamma, beta, means, levels=40)
    row, column = np.unravel_index(means.argmax(), means.shape)
    axes.plot(gamma[column], beta[row], "r*", markersize=14)
    axes.set(xlabel="γ", ylabel="β", title="QAOA for MaxCut on Petersen's graph")
    figure.colorbar(filled, label="mean cut")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


@click.command()
@click.option("--points", type=click.IntRange(2), default=64, show_default=True, help="Points along each axis.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("out/qaoa.png"),
    show_default=True,
    help="Picture to write.",
)
def main(points: int, out: Path) -> None:
    """Draw the landscape on a local fleet of two workers."""
    try:
        import matplotlib  # noqa: F401 - asked before anything runs
    except ImportError as exc:
        raise click.ClickException('a picture needs matplotlib: pip install "qfleet[examples]"') from exc

    circuit = qaoa()
    # Beyond these angles the landscape repeats itself, mirrored.
    beta, gamma = np.linspace(0, np.pi / 2, points), np.linspace(0, np.pi / 2, points)
    grid = np.stack(np.meshgrid(beta, gamma, indexing="ij"), axis=-1)
    with FleetProvider.local(workers=2) as fleet:
        with progress_bar("points", points**2) as show:
            means = sweep(circuit, grid, cut_observable(), fleet=fleet, progress=lambda now: show(now.done))
        best = np.unravel_index(means.argmax(), means.shape)
        measured = circuit.measure_all(inplace=False)
        shots = SamplerV2(fleet, seed=1).run([(measured, grid[best])], shots=1000).result()[0].data.meas
    draw(out, beta, gamma, means)

    expected = formula(beta[:, None], gamma)
    largest_sampled = cut(shots.to_bool_array("little")).max()
    top = np.pi / 8, float(np.arctan(np.sqrt(0.5)))
    every_cut = cut(np.array(list(product([False, True], repeat=NODES))))
    print(f"{points} x {points} points; they differ from the formula by at most {abs(means - expected).max():.1e}")
    print(f"best point   β = {grid[best][0]:.3f}, γ = {grid[best][1]:.3f}: mean cut {means[best]:.3f}")
    print(f"formula      β = {top[0]:.3f}, γ = {top[1]:.3f}: mean cut {formula(*top):.3f}, the largest")
    print(f"1000 shots   largest cut {largest_sampled}")
    print(f"exact        largest cut {every_cut.max()}, of all {2**NODES}")
    print(f"picture      {out}")


if __name__ == "__main__":
    main()
