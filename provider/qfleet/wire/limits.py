# SPDX-License-Identifier: Apache-2.0
"""Limits of everything that client and workers exchange, and the types that keep to them.

A decoder refuses what is beyond them before it costs memory. Each is far above what a simulator can use.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

# -- Blobs

#: Bytes of the largest blob. Redis stores no value above 512 MB (``proto-max-bulk-len``).
MAX_BLOB_BYTES: Final = 512 * 1024 * 1024
#: Bytes of data that a Redis value may hold, less what surrounds them.
LARGEST_VALUE: Final = MAX_BLOB_BYTES - 2**20
#: Bytes of a worker's record of its presence; a longer record isn't a worker's.
MAX_RECORD_BYTES: Final = 1 << 20

# -- Jobs and shards

#: Shards of a job. Scripts loop over them, and Redis does nothing else meanwhile.
MAX_SHARDS: Final = 1_000_000
#: Points of a shard. Each may be run, and give a result, on its own.
MAX_POINTS: Final = 100_000
#: Different requests of the circuits of one shard.
MAX_REQUESTS: Final = 64
#: Everything that is counted is below this.
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
#: Rows of a program. Checking a program allocates memory for each; this many make a blob of some 400 MB.
MAX_OPERATIONS: Final = 1 << 24
#: Jumps and stores of a program. A worker compiles what lies between any two of them by itself.
MAX_FLOW_OPERATIONS: Final = 1 << 16
MAX_TABLES: Final = 1 << 20
#: Qubits of a table. No simulator holds a matrix over more.
MAX_TABLE_QUBITS: Final = 30
#: Characters of a loop's name.
MAX_NAME: Final = 200

# -- Expressions

MAX_EXPRESSIONS: Final = 1 << 20
MAX_VARIABLES: Final = 1 << 16
#: Bits of the widest integer.
MAX_WIDTH: Final = 1 << 16
#: Levels of the deepest expression.
MAX_DEPTH: Final = 100

# -- Formulas

MAX_PARAMETERS: Final = 1 << 20
MAX_FORMULAS: Final = 1 << 20
#: Steps of the longest formula.
MAX_STEPS: Final = 1 << 16

# -- Saves

#: Saves of one program.
MAX_SAVES: Final = 1 << 12
#: Characters of a label.
MAX_LABEL: Final = 256
#: Qubits whose probabilities are saved; a density matrix has half as many.
MAX_PROBABILITY_QUBITS: Final = 30
#: Qubits that a Pauli acts on, so that its masks fit 64 bits.
MAX_PAULI_QUBITS: Final = 62
