# SPDX-License-Identifier: Apache-2.0
"""Runs the corpus and random inputs in a process that is bounded as a worker's is; no coverage, no atheris.

    python tests/fuzz/replay.py [--mutations 3000] [--seed 0] [--only FILE]

The input that is run lies in ``tests/fuzz/last`` meanwhile, for the case that it ends the process.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent / "support")]

import numpy as np  # noqa: E402
from fuzz_cases import LIMITS, MEMORY_BYTES, Engines, check  # noqa: E402
from fuzz_limits import seconds_of_cpu  # noqa: E402
from fuzz_mutation import fresh_shard, mutated  # noqa: E402

from qfleet_worker.engines.machine_code.folder import is_ready  # noqa: E402
from qfleet_worker.engines.numpy.simulator import NumpySimulator  # noqa: E402
from qfleet_worker.lifecycle.limits import limit_memory  # noqa: E402

CORPUS: Final = FOLDER / "corpus"
#: Of the process's time, for one input: two engines run it, and point by point if it fails.
SECONDS: Final = 20.0


def corpus() -> dict[str, bytes]:
    """Return the inputs that are kept, by the names of their files."""
    return {path.name: path.read_bytes() for path in sorted(CORPUS.iterdir())}


def inputs(mutations: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield the corpus, then mutations of it and shards that run."""
    kept = corpus()
    yield from kept.items()
    names = list(kept)
    for number in range(mutations):
        rng = np.random.default_rng([seed, number])
        name = names[int(rng.integers(len(names)))]
        data = fresh_shard(rng) if rng.random() < 0.2 else kept[name]
        for _ in range(int(rng.integers(1, 4))):
            data = mutated(data, rng)
        yield f"mutation {number} of seed {seed}", data


def engines() -> Engines:
    """Return all engines that this machine has compiled."""
    if not is_ready():
        return [partial(NumpySimulator, LIMITS)]
    from qfleet_worker.engines.statevector.simulator import StatevectorSimulator
    from qfleet_worker.engines.warm import warm

    warm()
    return [partial(NumpySimulator, LIMITS), partial(StatevectorSimulator, LIMITS)]


def main() -> None:
    """Run the inputs; the first finding ends the process with its traceback."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--mutations", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=Path, help="run this file alone")
    parser.add_argument("--last", type=Path, default=FOLDER / "last", help="where the input that is run is written")
    options = parser.parse_args()
    some, decoded, total = engines(), 0, 0
    # A number that was cast without a thought, or overflowed where nobody expects it, is a finding too.
    warnings.simplefilter("error")
    limit_memory(MEMORY_BYTES)
    cases = (
        [(str(options.only), options.only.read_bytes())] if options.only else inputs(options.mutations, options.seed)
    )
    for name, data in cases:
        options.last.write_bytes(data)
        try:
            with seconds_of_cpu(SECONDS):
                decoded += check(data, some)
        except BaseException:
            print(f"{name}: {data[:2000]!r}", flush=True)
            raise
        total += 1
    options.last.unlink(missing_ok=True)
    print(f"{total} inputs, {decoded} of which decoded, on {', '.join(type(engine()).__name__ for engine in some)}")


if __name__ == "__main__":
    main()
