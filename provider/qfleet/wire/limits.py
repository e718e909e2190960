# SPDX-License-Identifier: Apache-2.0
"""Limits of all data that client and workers exchange.

The types here keep to them. A decoder refuses larger data before they cost memory. Each limit is far above the needs of
a simulator.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

# -- Blobs

#: Most bytes of a blob. Redis stores no value above 512 MB (``proto-max-bulk-len``).
MAX_BLOB_BYTES: Final = 512 * 1024 * 1024
#: Most bytes of data in a Redis value; some bytes are left for the message around them.
LARGEST_VALUE: Final = MAX_BLOB_BYTES - 2**20
#: Most bytes of a worker's record of its presence; a longer record isn't a worker's.
MAX_RECORD_BYTES: Final = 1 << 20

# -- Jobs and shards

#: Most shards of a job. Scripts loop over them, and Redis does nothing else meanwhile.
MAX_SHARDS: Final = 1_000_000
#: Most points of a shard. Each may be run, and have a result, on its own.
MAX_POINTS: Final = 100_000
#: Most requests of the circuits of one shard.
MAX_REQUESTS: Final = 64
#: All counts are below this.
MAX_COUNT: Final = 2**31
MAX_SEED: Final = 2**63 - 1

Count = Annotated[int, Meta(ge=0, lt=MAX_COUNT)]
Positive = Annotated[int, Meta(ge=1, lt=MAX_COUNT)]
Seed = Annotated[int, Meta(ge=0, le=MAX_SEED)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Text = Annotated[str, Meta(max_length=4096)]

# -- Programs

MAX_QUBITS: Final = 32_767
MAX_CLBITS: Final = 1 << 24
#: Most rows of a program. Checking a program allocates memory for each; this many make a blob of some 400 MB.
MAX_OPERATIONS: Final = 1 << 24
#: Most jumps and stores of a program. A worker compiles the rows between any two of them separately.
MAX_FLOW_OPERATIONS: Final = 1 << 16
MAX_TABLES: Final = 1 << 20
#: Most qubits of a table. No simulator holds a larger matrix.
MAX_TABLE_QUBITS: Final = 30
#: Qubits of a superoperator: it has 16**n entries.
MAX_SUPEROP_QUBITS: Final = 6
#: Most characters of a loop's name.
MAX_NAME: Final = 200

# -- Channels

MAX_CHANNELS: Final = 1 << 16
#: Most targets of a channel: its masks have a byte.
MAX_CHANNEL_QUBITS: Final = 8
MAX_BRANCHES: Final = 1 << 16
#: Most Kraus operators of a channel, all branches together.
MAX_KRAUS_OPERATORS: Final = 1 << 16
#: Most bytes of the operators of all channels of a program. Checking them takes several times as many.
MAX_OPERATOR_BYTES: Final = 64 * 1024 * 1024
#: Most targets of a channel on a density matrix: it is one matrix of 16**targets numbers there.
MAX_DENSITY_TARGETS: Final = 3

# -- Expressions

MAX_EXPRESSIONS: Final = 1 << 20
MAX_VARIABLES: Final = 1 << 16
#: Most bits of an integer.
MAX_WIDTH: Final = 1 << 16
#: Most levels of an expression.
MAX_DEPTH: Final = 100

# -- Formulas

MAX_PARAMETERS: Final = 1 << 20
MAX_FORMULAS: Final = 1 << 20
#: Most steps of a formula.
MAX_STEPS: Final = 1 << 16

# -- Saves

#: Most saves of one program.
MAX_SAVES: Final = 1 << 12
#: Most characters of a label.
MAX_LABEL: Final = 256
#: Most qubits whose probabilities are saved; a density matrix has at most half as many.
MAX_PROBABILITY_QUBITS: Final = 30
#: Most qubits of a save of basis states, which are numbers of 64 bits.
MAX_INDEXED_QUBITS: Final = 62
