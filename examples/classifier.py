# SPDX-License-Identifier: Apache-2.0
"""A variational classifier of two half moons.

The data and the weights are parameters of its circuit. A step of the training needs each row of data at the weights and
at all shifts of them. That is one PUB with an array of points, and so one submission.

    python examples/classifier.py
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

QUBITS, LAYERS = 2, 4
DATA = ParameterVector("x", 2)
WEIGHTS = ParameterVector("w", 2 * QUBITS * LAYERS)
#: The sign of its expectation value is the class.
READOUT = SparsePauliOp("ZZ")


def model() -> QuantumCircuit:
    """Return layers that load the data and rotate by their weights."""
    circuit, weights = QuantumCircuit(QUBITS, name="classifier"), iter(WEIGHTS)
    for _ in range(LAYERS):
        for qubit in range(QUBITS):
            circuit.rx(DATA[qubit], qubit)
            circuit.ry(next(weights), qubit)
            circuit.rz(next(weights), qubit)
        circuit.cx(0, 1)
    return circuit


def two_moons(rows: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return data of shape (rows, 2), and their classes, -1 or 1."""
    classes = np.where(np.arange(rows) % 2, 1.0, -1.0)
    angle = rng.uniform(0, np.pi, rows)
    x = np.where(classes < 0, np.cos(angle), 1 - np.cos(angle)) - 0.5
    y = np.where(classes < 0, np.sin(angle), 0.5 - np.sin(angle)) - 0.25
    return np.stack([x, y], axis=1) + rng.normal(0, 0.1, (rows, 2)), classes


def outputs(
    estimator: EstimatorV2, circuit: QuantumCircuit, data: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the model's answers, shape (rows of data, rows of weights)."""
    shape = len(data), len(weights)
    points = {
        DATA: np.broadcast_to(data[:, None], (*shape, len(DATA))),
        WEIGHTS: np.broadcast_to(weights, (*shape, len(WEIGHTS))),
    }
    return np.asarray(estimator.run([(circuit, READOUT, points)]).result()[0].data.evs)


def accuracy(said: NDArray[np.float64], classes: NDArray[np.float64]) -> float:
    """Return the share of answers whose sign is the right class."""
    return float(np.mean(np.sign(said) == classes))


def line(data: NDArray[np.float64], classes: NDArray[np.float64], held_out: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the answers of the best straight line (least squares), for comparison."""
    ones, others = np.ones((len(data), 1)), np.ones((len(held_out), 1))
    found = np.linalg.lstsq(np.hstack([data, ones]), classes, rcond=None)[0]
    return np.asarray(np.hstack([held_out, others]) @ found)


@click.command()
@click.option("--steps", type=click.IntRange(1), default=40, show_default=True, help="Steps of the training at most.")
@click.option("--rows", type=click.IntRange(4), default=100, show_default=True, help="Rows of data to train with.")
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True, help="Of data and first weights.")
def main(steps: int, rows: int, seed: int) -> None:
    """Train the classifier on a local fleet, and test it."""
    rng = np.random.default_rng(seed)
    data, classes = two_moons(rows, rng)
    held_out, held_out_classes = two_moons(500, rng)
    circuit = model()
    shifts = np.pi / 2 * np.eye(len(WEIGHTS))

    with FleetProvider.local(workers=2) as fleet:
        estimator = EstimatorV2(fleet)

        def loss_and_gradient(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            # Each weight is the angle of one rotation, so that two shifts give its exact derivative.
            said = outputs(
                estimator, circuit, data, np.concatenate([weights[None], weights + shifts, weights - shifts])
            )
            above, below = np.split(said[:, 1:], 2, axis=1)
            error = said[:, 0] - classes
            return float(np.mean(error**2)), np.mean(error[:, None] * (above - below), axis=0)

        with progress_bar("steps", steps) as show:
            step = count(1)
            found = minimize(
                loss_and_gradient,
                rng.normal(0, 0.5, len(WEIGHTS)),
                jac=True,
                method="L-BFGS-B",
                callback=lambda _weights: show(next(step)),
                options={"maxiter": steps},
            )
        said = outputs(estimator, circuit, held_out, found.x[None])[:, 0]

    each = rows * (1 + 2 * len(shifts))
    print(f"{found.nit} steps, {found.nfev} submissions of {each} points; loss {found.fun:.3f}")
    print(f"accuracy on {len(held_out)} held-out rows   {accuracy(said, held_out_classes):.1%}")
    print(f"the best straight line           {accuracy(line(data, classes, held_out), held_out_classes):.1%}")


if __name__ == "__main__":
    main()
