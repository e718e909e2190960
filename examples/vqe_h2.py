# SPDX-License-Identifier: Apache-2.0
"""The ground state of a hydrogen molecule, by a variational quantum eigensolver.

The optimizer needs the energy and its gradient. By the parameter-shift rule these are energies at 1 + 2 * 4 points. All
of them are one PUB, so each step is one submission.

    python examples/vqe_h2.py
"""

from __future__ import annotations

from itertools import count

import click
import numpy as np
from numpy.typing import NDArray
from progress_bar import progress_bar
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from scipy.optimize import minimize

from qfleet import EstimatorV2, FleetProvider

# H2 at 0.735 Angstrom in the basis STO-3G, in Hartree, on two qubits by the parity mapping. The coefficients are those
# of the VQE tests in qiskit-algorithms (test/minimum_eigensolvers/test_vqe.py, h2_op).
HAMILTONIAN = SparsePauliOp.from_list(
    [
        ("II", -1.052373245772859),
        ("IZ", 0.39793742484318045),
        ("ZI", -0.39793742484318045),
        ("ZZ", -0.01128010425623538),
        ("XX", 0.18093119978423156),
    ]
)
#: The repulsion energy of the two nuclei, in Hartree: 0.529177 / 0.735.
REPULSION = 0.7199689944489797


def ansatz() -> QuantumCircuit:
    """Return an ansatz for real states of two qubits, with four angles."""
    circuit, angles = QuantumCircuit(2, name="ansatz"), ParameterVector("θ", 4)
    circuit.ry(angles[0], 0)
    circuit.ry(angles[1], 1)
    circuit.cx(0, 1)
    circuit.ry(angles[2], 0)
    circuit.ry(angles[3], 1)
    return circuit


@click.command()
@click.option("--steps", type=click.IntRange(1), default=20, show_default=True, help="Steps of the optimizer at most.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the angles to start from.")
def main(steps: int, seed: int) -> None:
    """Find the ground state of H2 on a local fleet of workers."""
    circuit = ansatz()
    shifts = np.pi / 2 * np.eye(circuit.num_parameters)
    start = np.random.default_rng(seed).uniform(-np.pi, np.pi, circuit.num_parameters)

    with FleetProvider.local(workers=2) as fleet, progress_bar("steps", steps) as show:
        estimator = EstimatorV2(fleet)

        def energy_and_gradient(angles: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            points = np.concatenate([angles[None], angles + shifts, angles - shifts])
            energies = estimator.run([(circuit, HAMILTONIAN, points)]).result()[0].data.evs
            above, below = np.split(energies[1:], 2)
            return float(energies[0]), (above - below) / 2

        step = count(1)
        found = minimize(
            energy_and_gradient,
            start,
            jac=True,
            method="L-BFGS-B",
            callback=lambda _angles: show(next(step)),
            options={"maxiter": steps},
        )

    exact = float(np.linalg.eigvalsh(HAMILTONIAN.to_matrix())[0])
    print(f"{found.nit} steps, {found.nfev} submissions of {1 + 2 * circuit.num_parameters} points")
    print(f"energy       {found.fun + REPULSION:.6f} Hartree")
    print(f"exact        {exact + REPULSION:.6f} Hartree, from the matrix")
    print(f"difference   {found.fun - exact:.1e} Hartree")


if __name__ == "__main__":
    main()
