-- SPDX-License-Identifier: Apache-2.0
-- After back.lua, in front of the scripts that take in a new job.

-- Let a job be run that is stored whole. The arguments are fields of its ledger, and whether it was cancelled. Returns the time of its creation, as text;
-- and, if it exceeds a quota of its tenant, the reason why its shards shall fail: the caller does that by refuse.lua.
local function let_run(tiers, tenant, weight, shards, retention, circuits, is_cancelled)
  local clock = redis.call('TIME')
  local created = clock[1] .. '.' .. string.format('%06d', clock[2])
  redis.call('HSET', LEDGER, 'created', created)
  redis.call('SADD', TENANTS, tenant)
  redis.call('ZADD', HOME .. 'jobs', created, NAME)
  redis.call('ZADD', HOME .. 'ids', 0, NAME)
  if shards == '0' then
    redis.call('HSET', LEDGER, 'ended', created)
    redis.call('EXPIRE', LEDGER, retention)
    return created
  end
  redis.call('ZADD', UNFINISHED, created, ID)
  local quota, figure, limit = count_queued(tenant, circuits, shards)
  if quota then
    local why = string.format('with it, tenant %s would have %d %s in jobs that have not ended, and its quota is %d; wait for some '
      .. 'to end, or ask the administrator of the fleet, who can raise it by qfleet tenant %s --%s N', tenant, figure,
      quota, limit, tenant, quota)
    redis.call('HSET', LEDGER, 'held', why, 'refused', string.format('%s %d %d', quota, figure, limit))
    return created, why
  elseif is_cancelled then
    redis.call('HSET', LEDGER, 'held', 'cancelled')
    redis.call('SADD', CANCELLING, ID)
    return created
  end
  each_tier(tiers, function(tier, known)
    local left = known.stop - known.first
    redis.call('HSET', LEDGER, 't' .. tier .. ':next', known.first)
    if redis.call('EXISTS', READY .. tier) == 0 then
      -- Nobody has kept its shards waiting yet.
      redis.call('HSET', SCHED, 'served:' .. tier, created)
    end
    enter(tier, tenant, ID, place(left, known.seconds, weight, created, number(created)))
    wait(tier, left)
  end)
  return created
end

