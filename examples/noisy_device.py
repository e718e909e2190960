# SPDX-License-Identifier: Apache-2.0
"""GHZ states and randomized benchmarking with a fake device's noise.

The fidelity of GHZ states falls with their width, and the survival of random sequences of Cliffords with their length.
The decay of the sequences gives the error of one Clifford, which the error rates of the device predict.

    python examples/noisy_device.py --device fake_manila --out out/noise.png
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from progress_bar import progress_bar
from qiskit import QuantumCircuit, transpile
from qiskit.providers import BackendV2
from qiskit.quantum_info import Clifford, random_clifford
from scipy.optimize import curve_fit

from qfleet import FleetBackend, FleetProvider

#: The numbers of Cliffords in a sequence.
LENGTHS = (1, 10, 20, 40, 60, 90, 120)


def ghz(num_qubits: int) -> list[QuantumCircuit]:
    """Return circuits that measure a GHZ state.

    The first measures it as it is, the others its parity at angles around the equator.
    """
    state = QuantumCircuit(num_qubits, name=f"ghz {num_qubits}")
    state.h(0)
    for qubit in range(num_qubits - 1):
        state.cx(qubit, qubit + 1)
    circuits = [state.measure_all(inplace=False)]
    for angle in angles(num_qubits):
        turned = state.copy()
        turned.rz(angle, range(num_qubits))
        turned.h(range(num_qubits))
        turned.measure_all()
        circuits.append(turned)
    return circuits


def angles(num_qubits: int) -> NDArray[np.float64]:
    """Return the angles of the parities.

    Parities oscillate with the number of qubits as their frequency.
    """
    return np.linspace(0, 2 * np.pi, 2 * num_qubits + 2, endpoint=False)


def ghz_fidelity(num_qubits: int, counts: Sequence[dict[str, int]]) -> float:
    """Return the fidelity of a GHZ state from its circuits' counts.

    It is half of the populations of 0...0 and 1...1, and half of the oscillation's amplitude.
    """
    populations, *turned = counts
    shots = sum(populations.values())
    population = (populations.get("0" * num_qubits, 0) + populations.get("1" * num_qubits, 0)) / shots
    parities = [sum(count * (-1) ** bits.count("1") for bits, count in each.items()) / shots for each in turned]
    amplitude = 2 * abs(np.mean(np.exp(1j * num_qubits * angles(num_qubits)) * parities))
    return float(population + amplitude) / 2


def sequences(samples: int, seed: int) -> list[QuantumCircuit]:
    """Return random Cliffords on two qubits, with their inverse at the end."""
    rng, circuits = np.random.default_rng(seed), []
    for length in LENGTHS:
        for _ in range(samples):
            circuit, together = QuantumCircuit(2, name=f"{length} Cliffords"), Clifford(np.eye(4, dtype=bool))
            for _ in range(length):
                clifford = random_clifford(2, seed=rng)
                together = together.compose(clifford)
                circuit.append(clifford.to_instruction(), [0, 1])
                # Otherwise the transpiler would see that nothing happens.
                circuit.barrier()
            circuit.append(together.adjoint().to_instruction(), [0, 1])
            circuit.measure_all()
            circuits.append(circuit)
    return circuits


def survival(length: NDArray[np.float64], height: float, base: float, floor: float) -> NDArray[np.float64]:
    """Return the share of shots that survive a sequence."""
    return np.asarray(height * base**length + floor)


def expected_error(device: BackendV2, circuits: Sequence[QuantumCircuit]) -> float:
    """Return the error rates of a Clifford's gates, added up, on average."""
    total = 0.0
    for circuit in circuits:
        for each in circuit.data:
            places = device.target.get(each.operation.name, {})
            properties = places.get(tuple(circuit.find_bit(qubit).index for qubit in each.qubits))
            if each.operation.name != "measure" and properties is not None:
                total += properties.error or 0
    return total / sum(int(circuit.name.split()[0]) + 1 for circuit in circuits)


def draw(path: Path, widths: Sequence[int], fidelities: Sequence[float], shares: NDArray[np.float64], fit: Any) -> None:
    """Draw the fidelities and the decay."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.bar(widths, fidelities)
    left.set(xlabel="qubits", ylabel="fidelity", title="GHZ states", xticks=list(widths), ylim=(0.5, 1))
    lengths = np.linspace(0, max(LENGTHS), 200)
    right.plot(np.repeat(LENGTHS, shares.shape[1]), shares.ravel(), "o", alpha=0.4)
    right.plot(lengths, survival(lengths, *fit), "-")
    right.set(xlabel="Cliffords", ylabel="share of 00", title="randomized benchmarking")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def fake_device(name: str) -> BackendV2:
    """Return a fake device of qiskit-ibm-runtime."""
    try:
        import matplotlib  # noqa: F401 - asked before anything runs
        from qiskit_ibm_runtime.fake_provider import FakeProviderForBackendV2
    except ImportError as exc:
        raise click.ClickException(f'{exc.name} isn\'t installed: pip install "qfleet[examples]"') from exc
    with warnings.catch_warnings():
        # Some of the devices say something about their error rates when they are made.
        warnings.simplefilter("ignore")
        devices = {device.name: device for device in FakeProviderForBackendV2().backends()}
    if name not in devices:
        raise click.BadParameter(f"{name!r} isn't a fake device; choose one of {', '.join(devices)}")
    return devices[name]


@click.command()
@click.option("--device", "name", default="fake_manila", show_default=True, help="Fake device of qiskit-ibm-runtime.")
@click.option("--samples", type=click.IntRange(1), default=5, show_default=True, help="Sequences of each length.")
@click.option("--shots", type=click.IntRange(1), default=2000, show_default=True, help="Shots of each circuit.")
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True, help="Of sequences and shots.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("out/noise.png"),
    show_default=True,
    help="Picture to write.",
)
def main(name: str, samples: int, shots: int, seed: int, out: Path) -> None:
    """Run both experiments on a local fleet of two workers."""
    device = fake_device(name)
    widths = range(2, min(device.num_qubits, 5) + 1)
    states = [circuit for width in widths for circuit in ghz(width)]
    ready = transpile(states, device, seed_transpiler=seed)
    decays = transpile(sequences(samples, seed), device, initial_layout=[0, 1], seed_transpiler=seed)
    with FleetProvider.local(workers=2) as fleet, progress_bar("circuits", len(ready) + len(decays)) as show:
        backend = FleetBackend.from_backend(device, fleet, shots=shots, seed_simulator=seed)
        counts = backend.run([*ready, *decays]).result(progress=lambda now: show(now.done)).get_counts()

    of_state, fidelities = iter(counts), []
    for width in widths:
        fidelities.append(ghz_fidelity(width, [next(of_state) for _ in ghz(width)]))
        print(f"GHZ of {width} qubits   fidelity {fidelities[-1]:.3f}")
    shares = np.array([each.get("00", 0) / shots for each in counts[len(ready) :]]).reshape(len(LENGTHS), samples)
    fit, _ = curve_fit(survival, LENGTHS, shares.mean(axis=1), p0=(0.75, 0.98, 0.25), bounds=(0, 1))
    print(f"survival          {fit[0]:.3f} * {fit[1]:.4f}^length + {fit[2]:.3f}")
    print(f"error of a Clifford   {3 / 4 * (1 - fit[1]):.4f}")
    print(f"by the error rates    {expected_error(device, decays):.4f}")
    draw(out, list(widths), fidelities, shares, fit)
    print(f"picture           {out}")


if __name__ == "__main__":
    main()
