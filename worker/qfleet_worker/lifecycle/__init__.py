# SPDX-License-Identifier: Apache-2.0
"""What keeps the ledger true while processes, connections and machines come and go.

The ledger in Redis says what is to be run; a message on the queue is only a hint that somebody should look. So no fault
of the queue loses a shard, and none runs one whose result is stored already:

- `store.Store.take`, the gate, refuses a shard that is over, or that a worker which is up has.
- `presence` says every few seconds which shards this worker has.
- `reconciler` publishes shards again that nobody has, and whose message must be gone.
- `request` tells the ledger of a process that died, and why, or that ran out of time.
- `pool` notices at once that a process died.
- `shutdown` hands back what a worker that stops doesn't get done.
- `limits` bounds the memory of a process.
- `lifeline` ends a local fleet with the process that started it.
"""
