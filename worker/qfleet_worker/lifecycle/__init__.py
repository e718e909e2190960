# SPDX-License-Identifier: Apache-2.0
"""The steps that keep the ledger true through faults.

Processes, connections and machines may fail at any time.

The ledger in Redis decides which shards must run. A token on a list is only a hint that a worker should choose one. So
a lost token loses no shard, and a spare one runs no shard whose result is stored already:

- `binder` waits for tokens while a process and memory are free, and chooses a shard for each.
- `held` knows the shards that this worker has.
- `presence` reports every few seconds which shards these are.
- `doorkeeper` admits the jobs of tenants whose users may use their own keys alone, and does what else they want.
- `reconciler` looks for shards that no worker has, and for tokens that are missing.
- `abandoned` finds the shards that aren't this worker's any more, and stops them.
- `request` reports to the ledger that a process died, with the cause, or that it ran out of time.
- `pool` notices at once that a process died.
- `shutdown` hands back the shards that a stopping worker can't finish.
- `limits` bounds the memory of a process.
- `lifeline` ends a local fleet with the process that started it.
"""
