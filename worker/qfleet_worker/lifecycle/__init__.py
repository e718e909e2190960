# SPDX-License-Identifier: Apache-2.0
"""The steps that keep the ledger true through faults.

Processes, connections and machines may fail at any time.

The ledger in Redis decides which shards must run. A message on the queue is only a hint that a worker should look
there. So a fault of the queue neither loses a shard nor runs a shard whose result is stored already:

- `store.Store.take`, the gate, refuses a shard that has ended, or that another live worker holds.
- `presence` reports every few seconds which shards this worker holds.
- `reconciler` publishes a shard again if no worker holds it and its message must be lost.
- `request` reports to the ledger that a process died, with the cause, or that it ran out of time.
- `pool` notices at once that a process died.
- `shutdown` hands back the shards that a stopping worker can't finish.
- `limits` bounds the memory of a process.
- `lifeline` ends a local fleet with the process that started it.
"""
