-- SPDX-License-Identifier: Apache-2.0
-- Note when every shard's message was on the queue, by the clock of Redis. KEYS[1]: the job's ledger, which may have been
-- deleted meanwhile.

if redis.call('EXISTS', KEYS[1]) == 1 then
  local clock = redis.call('TIME')
  redis.call('HSET', KEYS[1], 'published', clock[1] .. '.' .. string.format('%06d', clock[2]))
end
