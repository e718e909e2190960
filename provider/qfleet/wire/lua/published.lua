-- SPDX-License-Identifier: Apache-2.0
-- Note that every shard's message is on the queue. KEYS[1]: the job's ledger, which may have been deleted meanwhile.

if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSET', KEYS[1], 'published', 1)
end
