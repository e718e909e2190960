-- SPDX-License-Identifier: Apache-2.0
-- In front of the scripts that choose shards, or let some be chosen. The constants of qfleet.wire.lua stand before it.
--
-- A tier is a range of memory, see qfleet.wire.cost.tiers. READY..tier: tenant -> virtual time, of tenants that have
-- shards of the tier to choose. READY..tier..':'..tenant: job -> its place among that tenant's jobs. A tenant has the same
-- virtual time in each of its tiers: the core seconds it was given, by its weight.
-- `waiting:<tier>` in SCHED counts the shards that can be chosen; TOKENS..tier has about as many tokens.

-- What Redis holds of a number; 0 of anything else, and of what no number here can be.
local function number(text)
  local value = tonumber(text or 0) or 0
  return value > -1e18 and value < 1e18 and value or 0
end

-- The key of a job's ledger, by its reference: "<tenant>/<id>", or the bare id of a job of version 0.1.
local function ledger_of(job)
  local tenant, id = string.match(job, '^(.*)/(.*)$')
  return tenant and PREFIX .. '{' .. tenant .. '}:job:' .. id or PREFIX .. 'job:' .. job
end

-- A job's place among its tenant's jobs: what is left of it in seconds, less the longer it waits. The least comes first; of
-- jobs that differ in nothing, the one that was made first.
local function place(left, seconds, weight, created, now)
  local made = number(created)
  return left * number(seconds) / math.max(number(weight), 1) / (1 + AGEING * math.max(0, now - made)) * (1 + 1e-11 * made)
end

-- The tiers that have shards to choose: few of all, so a tenant is looked for in these.
local function used_tiers()
  local fields, used = {}, {}
  for tier = 0, TIERS - 1 do
    fields[tier + 1] = 'waiting:' .. tier
  end
  for at, waiting in ipairs(redis.call('HMGET', SCHED, unpack(fields))) do
    if number(waiting) > 0 then
      used[#used + 1] = at - 1
    end
  end
  return used
end

-- Let a job be chosen. A tenant that comes back begins where those are that are served: idling saves nothing up, and a
-- debt is kept. Returns whether the job wasn't there.
local function enter(tier, tenant, job, at)
  local ready = READY .. tier
  local is_new = redis.call('ZADD', ready .. ':' .. tenant, at, job) == 1
  if redis.call('ZSCORE', ready, tenant) then
    return is_new
  end
  local time
  for _, other in ipairs(used_tiers()) do
    time = time or redis.call('ZSCORE', READY .. other, tenant)
  end
  if not time then
    time = math.max(number(redis.call('HGET', SCHED, 'now')), number(redis.call('HGET', VT, tenant)))
    redis.call('HDEL', VT, tenant)
  end
  redis.call('ZADD', ready, time, tenant)
  return is_new
end

-- Take a job out, and its tenant too if that was its last one; the tenant's virtual time is kept. `tiers`: those with shards to
-- choose, where they are known. Returns whether the job was there.
local function leave(tier, tenant, job, tiers)
  local ready = READY .. tier
  if redis.call('ZREM', ready .. ':' .. tenant, job) == 0 then
    return false
  end
  if redis.call('EXISTS', ready .. ':' .. tenant) == 1 then
    return true
  end
  local time = redis.call('ZSCORE', ready, tenant)
  redis.call('ZREM', ready, tenant)
  for _, other in ipairs(tiers or used_tiers()) do
    if redis.call('ZSCORE', READY .. other, tenant) then
      return true
    end
  end
  if time then
    redis.call('HSET', VT, tenant, time)
  end
  return true
end

-- Push tokens; of very many, the rest is for the next call of tokens.lua.
local function push_tokens(tier, missing)
  missing = math.max(0, math.min(missing, MOST_TOKENS))
  local some = {}
  for at = 1, math.min(missing, TOKENS_AT_ONCE) do
    some[at] = ''
  end
  for _ = 1, math.floor(missing / TOKENS_AT_ONCE) do
    redis.call('LPUSH', TOKENS .. tier, unpack(some))
  end
  if missing % TOKENS_AT_ONCE > 0 then
    redis.call('LPUSH', TOKENS .. tier, unpack(some, 1, missing % TOKENS_AT_ONCE))
  end
end

local function wait(tier, by)
  redis.call('HINCRBY', SCHED, 'waiting:' .. tier, by)
end
