-- SPDX-License-Identifier: Apache-2.0
-- Let each move of a job's shards be told, not only the first and the last. KEYS[1]: the job's ledger, which may be gone.

if redis.call('HEXISTS', KEYS[1], 'created') == 1 then
  -- A full Redis refuses only the first write of a script; one that takes no memory isn't refused.
  redis.call('HDEL', KEYS[1], '')
  redis.call('HSET', KEYS[1], 'moves', 1)
end
