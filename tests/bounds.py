# SPDX-License-Identifier: Apache-2.0
"""Random programs run by machine code that checks every access to an array: none may lie beyond its end.

``make test-bounds`` runs it with numba's own checks on (``NUMBA_BOUNDSCHECK=1``), for which all machine code is
compiled once more, into a folder of its own. What a program gives is compared with the numpy engine.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import msgspec
import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "support"))

import engine_oracle as oracle
from engine_oracle import UNITARY_OPS
from make_experiments import make_experiment
from small_chunks import small_chunks

from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet_worker.engines.contract import Experiment, Simulator
from qfleet_worker.engines.numpy.simulator import NumpySimulator
from qfleet_worker.engines.statevector.simulator import Sizes, StatevectorSimulator
from qfleet_worker.engines.warm import warm

MIXES: dict[str, list[Op]] = {
    "all": list(UNITARY_OPS),
    "diagonals": [Op.Z, Op.T, Op.P, Op.RZ, Op.RZZ, Op.DIAGONAL, Op.GLOBAL_PHASE, Op.H],
    "flips": [Op.X, Op.H, Op.SWAP, Op.RZ, Op.DCX],
    "rotations": [Op.RX, Op.RY, Op.RZ, Op.P, Op.RZZ, Op.U, Op.H, Op.X],
    "pairs": [Op.RXX, Op.RZX, Op.XX_PLUS_YY, Op.RZZ, Op.P, Op.RY, Op.H, Op.UNITARY, Op.ISWAP, Op.ECR],
    "device": [Op.RZ, Op.SX, Op.X, Op.X, Op.Z, Op.ECR],
    "dynamic": [*UNITARY_OPS, Op.MEASURE, Op.RESET],
}
TOLERANCES = {"double": 1e-10, "single": 5e-5}


def random_program(rng: np.random.Generator, codes: list[Op], dynamic: bool) -> Program:
    """Return a program of up to 12 qubits and 80 operations."""
    num_qubits, clbits = int(rng.integers(2, 13)), 3 if dynamic else 0
    operations = [oracle.random_operation(rng, num_qubits, clbits, codes) for _ in range(int(rng.integers(1, 80)))]
    return oracle.program(num_qubits, clbits, operations)


def choose_sizes(rng: np.random.Generator) -> Sizes:
    """Choose to compile in one call, in large chunks or in small ones, of which few qubits need many stages."""
    way = int(rng.integers(3))
    chunk = int(rng.integers(8, 11))
    if way == 2:
        return small_chunks(chunk, int(rng.integers(3, 5)))
    return Sizes() if way == 0 else Sizes(small_qubits=-1)


def check(rng: np.random.Generator, mix: str) -> None:
    """Run one program, at its angles and at others, and compare."""
    sizes = choose_sizes(rng)
    dynamic = mix == "dynamic"
    program = random_program(rng, MIXES[mix], dynamic)
    precision = "double" if rng.random() < 0.5 else "single"
    output = "counts" if dynamic or rng.random() < 0.2 else "statevector"
    experiment = make_experiment(
        program, 20, int(rng.integers(1 << 30)), output=output, precision=precision, threads=int(rng.integers(1, 3))
    )
    engine, reference = StatevectorSimulator(sizes=sizes), NumpySimulator()
    compare(engine, reference, experiment)
    for _ in range(2):
        params = rng.uniform(-7, 7, len(program.params))
        compare(
            engine,
            reference,
            msgspec.structs.replace(experiment, program=msgspec.structs.replace(program, params=params)),
        )
    points = rng.uniform(-7, 7, (3, len(program.params)))
    list(engine.sweep(experiment, points, [1, 2, 3]))


def compare(engine: Simulator, reference: Simulator, experiment: Experiment) -> None:
    """Raise AssertionError where two engines give something else."""
    found, wanted = engine.run(experiment), reference.run(experiment)
    if experiment.request.output == "counts":
        # In single precision, a shot in some thousand may fall on a rounding error.
        assert experiment.request.precision == "single" or np.array_equal(found.counts, wanted.counts)
        assert found.counts.sum() == wanted.counts.sum()
    else:
        assert found.amplitudes is not None
        assert wanted.amplitudes is not None
        assert np.abs(found.amplitudes - wanted.amplitudes).max() < TOLERANCES[experiment.request.precision]


def main() -> None:
    """Run programs until there are enough, and say with which seed the first one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=int, default=20_000, help="how many (default: 20000)")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the first; each has the next one's")
    options = parser.parse_args()
    if os.environ.get("NUMBA_BOUNDSCHECK") != "1":
        parser.error("machine code checks nothing without NUMBA_BOUNDSCHECK=1: make test-bounds sets it")
    print("Compiling machine code that checks its accesses: minutes, the first time ...", flush=True)
    warm()
    begin = time.perf_counter()
    for number in range(options.programs):
        seed, mix = options.seed + number, [*MIXES][number % len(MIXES)]
        try:
            check(np.random.default_rng(seed), mix)
        except Exception as exc:
            raise SystemExit(f"seed {seed}, {mix}: {type(exc).__name__}: {exc}") from exc
    print(f"{options.programs} programs in {time.perf_counter() - begin:.0f} s: no access beyond an array's end")


if __name__ == "__main__":
    main()
