-- SPDX-License-Identifier: Apache-2.0
-- Note that somebody listens to a job. KEYS[1]: the job's ledger, which may be gone. ARGV: 'heard', to be told on the job's own
-- channel; 'moves', to be told of each move, not only of the last.

if redis.call('HEXISTS', KEYS[1], 'created') == 1 then
  -- A full Redis refuses only the first write of a script; one that takes no memory isn't refused.
  redis.call('HDEL', KEYS[1], '')
  for _, field in ipairs(ARGV) do
    redis.call('HSET', KEYS[1], field, 1)
  end
end
