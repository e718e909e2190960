-- SPDX-License-Identifier: Apache-2.0
-- After job.lua, in front of the scripts that take in a new job. QUOTAS has what an administrator allows a tenant, QUEUED
-- what its jobs have that haven't ended: `circuits:<tenant>` and `bytes:<tenant>`.

-- The bytes of memory that the job takes in Redis.
local function job_bytes()
  local bytes = 0
  for _, key in ipairs(all_keys()) do
    bytes = bytes + (redis.call('MEMORY', 'USAGE', key, 'SAMPLES', 0) or 0)
  end
  return bytes
end

-- Count what a new job adds to what its tenant has queued. Returns nothing; or the quota that it would exceed, the figure,
-- and the limit, and counts nothing.
local function count_queued(tenant, circuits, shards)
  if redis.call('HGET', SCHED, 'quotas') ~= '1' then
    return nil
  end
  local names = { 'circuits:' .. tenant, 'bytes:' .. tenant }
  local limits = redis.call('HMGET', QUOTAS, unpack(names))
  if not (limits[1] or limits[2]) then
    return nil
  end
  -- A client may claim fewer circuits, but each shard has one at least.
  local more = { math.max(number(circuits), number(shards)), limits[2] and job_bytes() or 0 }
  local queued = redis.call('HMGET', QUEUED, unpack(names))
  for at, what in ipairs({ 'circuits', 'bytes' }) do
    local figure = number(queued[at]) + more[at]
    if limits[at] and figure > number(limits[at]) then
      return what, figure, number(limits[at])
    end
  end
  for at, name in ipairs(names) do
    redis.call('HINCRBY', QUEUED, name, string.format('%d', more[at]))
  end
  redis.call('HSET', LEDGER, 'counted', string.format('%d %d', more[1], more[2]))
end

