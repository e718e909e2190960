# SPDX-License-Identifier: Apache-2.0
"""The collection that suits what is wanted of the shots."""

from __future__ import annotations

from qfleet.wire.messages.request import Output
from qfleet_worker.engines.contract import Experiment
from qfleet_worker.engines.results.outcomes import Tally
from qfleet_worker.engines.results.shot_rows import ShotRows


def collection(experiment: Experiment) -> Tally | ShotRows:
    """Return an empty collection for the outcomes of an experiment."""
    num_clbits, request = experiment.program.num_clbits, experiment.request
    if request.output == Output.BITS:
        return ShotRows(num_clbits, experiment.shots)
    return Tally(num_clbits, experiment.shots if request.keeps_shots else None)
