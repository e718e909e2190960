-- Choose the shard that a free slot runs next, and give it to this worker: the choice and the gate.
-- ARGV[1]: the owner's name, used once. ARGV[2]: the worker. ARGV[3]: the tier of the token that it popped, or nothing.
-- ARGV[4]: bytes that are free. ARGV[5]: bytes of the worker's whole pool. ARGV[6]: 1 if it has the slower engine only.
-- ARGV[7]: seconds since the epoch, by the worker's copy of Redis's clock.
-- Then pairs: a tenant, and by how many core seconds shards of it that ended took longer than it was charged with.
-- Returns {job, index, attempt, cause, tenant, need, seconds, work or nothing, the job's circuits, 1 if others wait}; or
-- {'later', the lowest tier that had nothing that fits}, and the token is back; or {'nothing'}, if no shard was found.
--
-- The tenant with the least virtual time comes first, of its jobs the one with the least place. Whatever fits is chosen
-- before a slot stays free. Looks at few tenants and jobs: its time doesn't grow with what waits.

-- Redis takes long to make text of a number: where that is frequent, commands get text.
local format = string.format
local owner, worker, popped = ARGV[1], ARGV[2], tonumber(ARGV[3])
local free, pool, slow, NOW = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6] == '1', tonumber(ARGV[7])
local sched, tiers = {}, {}
local flat = redis.call('HGETALL', SCHED)
for at = 1, #flat, 2 do
  local name, value = flat[at], flat[at + 1]
  sched[name] = value
  if string.sub(name, 1, 8) == 'waiting:' and number(value) > 0 then
    tiers[#tiers + 1] = number(string.sub(name, 9))
  end
end
if #tiers > 1 then
  table.sort(tiers)
end

-- A full Redis refuses only the first write of a script, and none that takes no memory: what waits is run nevertheless.
local function write_though_full()
  redis.call('HDEL', SCHED, '')
end

local function weight_of(tenant)
  local weight = sched.weighted == '1' and number(redis.call('HGET', WEIGHTS, tenant)) or 1
  return weight > 0 and weight or 1
end

-- How many shards a tenant may run at once; nothing if that isn't limited.
local has_quotas, limits = sched.quotas == '1', {}
local function most_running(tenant)
  if has_quotas and limits[tenant] == nil then
    limits[tenant] = tonumber(redis.call('HGET', QUOTAS, 'running:' .. tenant) or '') or false
  end
  return limits[tenant]
end

-- Whether a tenant runs as many shards as it may: it is passed over, and gets a token when one of them ends.
local function is_at_quota(tenant)
  return most_running(tenant) and redis.call('SCARD', RUNNING .. tenant) >= most_running(tenant)
end

-- Charge a tenant in each tier where it waits; else it keeps the debt for when it comes back.
local function charge(tenant, seconds)
  local waits = false
  for _, tier in ipairs(tiers) do
    waits = redis.call('ZADD', READY .. tier, 'XX', 'INCR', format('%.12g', seconds), tenant) or waits
  end
  if not waits then
    redis.call('HINCRBYFLOAT', VT, tenant, seconds)
    return
  end
  -- A client says what is charged at first. What is given back of that brings no tenant long before the others.
  local least = number(sched.now) - MOST_CREDIT
  if seconds < 0 and number(waits) < least then
    least = math.min(least, number(waits) - seconds)
    for _, tier in ipairs(tiers) do
      redis.call('ZADD', READY .. tier, 'XX', least, tenant)
    end
  end
end

local owed = {}
for at = 8, #ARGV, 2 do
  owed[ARGV[at]] = (owed[ARGV[at]] or 0) + number(ARGV[at + 1]) / weight_of(ARGV[at])
end

local function settle()
  for tenant, seconds in pairs(owed) do
    charge(tenant, seconds)
  end
end

local function unwait(tier, by)
  sched['waiting:' .. tier] = number(sched['waiting:' .. tier]) - by
  wait(tier, -by)
end

-- ---- Memory

-- What this worker keeps for one tier isn't free for the others.
local kept_tier, kept = nil, 0
for _, tier in ipairs(tiers) do
  local reserved = sched['reserved:' .. tier]
  if reserved then
    local till, bytes, whose = string.match(reserved, '^(%S+) (%d+) (.*)$')
    if whose == worker and number(till) > NOW then
      kept_tier, kept = tier, number(bytes)
    end
  end
end

local function room(tier)
  return tier == kept_tier and free or free - kept
end

local function floor_of(tier)
  return tier == 0 and 0 or LOWEST_TIER_BYTES * 2 ^ (tier - 1)
end

-- Shards that are too large for what is free, in a tier that nobody served for a while, get this worker's memory as it
-- comes free. A worker keeps some for one tier at most, and one worker does for a tier.
local function reserve(tier)
  local till = string.match(sched['reserved:' .. tier] or '', '^%S+')
  if kept_tier or tier == 0 or floor_of(tier) >= pool or number(till) > NOW
    or NOW - number(sched['served:' .. tier]) < RESERVE_AFTER_SECONDS then
    return
  end
  -- The first one that may run something.
  local tenant
  for _, each in ipairs(redis.call('ZRANGE', READY .. tier, 0, has_quotas and LOOK_LIMITED - 1 or 0)) do
    tenant = tenant or (not is_at_quota(each) and each)
  end
  local job = tenant and redis.call('ZRANGE', READY .. tier .. ':' .. tenant, 0, 0)[1]
  local need = job and redis.pcall('HGET', ledger_of(job), 't' .. tier .. (slow and ':slow' or ':need'))
  need = type(need) == 'string' and number(need) or 0
  if need > room(tier) and need <= pool then
    kept_tier, kept = tier, need
    write_though_full()
    redis.call('HSET', SCHED, 'reserved:' .. tier, format('%.3f %d %s', NOW + RESERVED_SECONDS, need, worker))
  end
end

for _, tier in ipairs(tiers) do
  if floor_of(tier) >= room(tier) then
    reserve(tier)
  end
end

-- ---- A job

local function read(job, tier)
  local t = 't' .. tier .. ':'
  local of = redis.pcall('HMGET', ledger_of(job), t .. 'next', t .. 'end', t .. 'again', t .. 'seconds',
    t .. (slow and 'slow' or 'need'), 'n:PENDING', 'n:STARTED', 'moves', 'began', 'circuits', 'inline')
  if of.err or not of[2] then
    return nil
  end
  return { tier = tier, next = number(of[1]), stop = number(of[2]), again = number(of[3]), seconds = number(of[4]),
    need = number(of[5]), pending = number(of[6]), started = number(of[7]), moves = of[8], began = of[9],
    circuits = of[10], inline = of[11] }
end

-- The next shard of a job. One that was never chosen waits, and nothing else is known of it; unless fewer shards wait
-- than are left, as after a cancel by a client of version 0.1.
local function next_shard(job, known)
  if known.again == 0 and known.next < known.stop and known.pending == known.stop - known.next then
    known.next = known.next + 1
    return { index = known.next - 1, attempts = 0, cause = '' }
  end
  for _ = 1, MOST_SKIPPED do
    local index
    if known.again > 0 then
      local first = number(redis.call('HGET', ledger_of(job), 't' .. known.tier .. ':first'))
      index = redis.call('ZRANGEBYSCORE', ledger_of(job) .. ':again', first, known.stop - 1, 'LIMIT', 0, 1)[1]
      if index then
        redis.call('ZREM', ledger_of(job) .. ':again', index)
      end
      known.again = index and known.again - 1 or 0
    elseif known.next < known.stop then
      index, known.next = known.next, known.next + 1
    else
      return nil
    end
    if index then
      local of = index .. ':'
      local shard = redis.call('HMGET', ledger_of(job) .. ':shards', of .. 'state', of .. 'attempts', of .. 'cause',
        of .. 'circuit', of .. 'excused', of .. 'died')
      if shard[1] == 'PENDING' then
        return { index = tonumber(index), attempts = number(shard[2]), cause = shard[3] or '', circuit = shard[4],
          excused = shard[5], died = shard[6] or '' }
      end
    end
  end
end

local function start(job, shard)
  local shards, of = ledger_of(job) .. ':shards', shard.index .. ':'
  local attempt = shard.excused and shard.attempts or shard.attempts + 1
  local set = { of .. 'state', 'STARTED', of .. 'owner', owner, of .. 'attempts', format('%d', attempt) }
  local answer = redis.pcall('HSET', shards, unpack(set))
  if type(answer) == 'table' and string.find(answer.err or '', 'OOM', 1, true) then
    write_though_full()
    redis.call('HSET', shards, unpack(set))
  elseif type(answer) == 'table' then
    error(answer.err)
  end
  if shard.circuit and not shard.excused then
    -- The process before this one died while it ran this circuit.
    if redis.call('HINCRBY', shards, of .. 'deaths:' .. shard.circuit, 1) == 1 then
      redis.call('HSET', shards, of .. 'died', shard.died .. shard.circuit .. ' ')
    end
  end
  if shard.circuit or shard.excused then
    redis.call('HDEL', shards, of .. 'circuit', of .. 'excused')
  end
  redis.call('ZADD', STARTED, ARGV[7], job .. '.' .. shard.index)
  return attempt
end

local function give(tenant, time, tier, job, known)
  local key, t = ledger_of(job), 't' .. tier .. ':'
  local before = known.stop - known.next + known.again
  local shard = known.pending > 0 and next_shard(job, known)
  if known.pending < 1 then
    known.next, known.again = known.stop, 0
    redis.call('UNLINK', key .. ':again')
  end
  local left = known.stop - known.next + known.again
  if not shard then
    write_though_full()
    redis.call('HSET', key, t .. 'next', known.next, t .. 'again', known.again)
    unwait(tier, before - left)
    if left < 1 then
      leave(tier, tenant, job, tiers)
    end
    return nil
  end
  local attempt = start(job, shard)
  local moved = { 'n:PENDING', format('%d', known.pending - 1), 'n:STARTED', format('%d', known.started + 1),
    t .. 'next', format('%d', known.next), t .. 'again', format('%d', known.again) }
  if not known.began then
    moved[9], moved[10] = 'began', ARGV[7]
  end
  if most_running(tenant) then
    redis.call('SADD', RUNNING .. tenant, job .. '.' .. shard.index)
    moved[#moved + 1], moved[#moved + 2] = 'limited', 1
  end
  redis.call('HSET', key, unpack(moved))
  -- Before it leaves, so that it keeps the debt.
  local seconds = math.max(0, known.seconds)
  charge(tenant, seconds / weight_of(tenant) + (owed[tenant] or 0))
  owed[tenant] = nil
  if left < 1 then
    leave(tier, tenant, job, tiers)
  elseif known.next % PLACED_EVERY == 0 then
    local of = redis.call('HMGET', key, 'weight', 'created')
    redis.call('ZADD', READY .. tier .. ':' .. tenant, 'XX', place(left, seconds, of[1], of[2], NOW), job)
  end
  local others = left - before
  for _, each in ipairs(tiers) do
    others = others + number(sched['waiting:' .. each])
  end
  local note = { 'waiting:' .. tier, format('%d', number(sched['waiting:' .. tier]) - before + left) }
  if tonumber(time) > number(sched.now) then
    note[3], note[4] = 'now', time
  end
  if tier > 0 then
    note[#note + 1] = 'served:' .. tier
    note[#note + 1] = ARGV[7]
  end
  redis.call('HSET', SCHED, unpack(note))
  if sched['reserved:' .. tier] then
    redis.call('HDEL', SCHED, 'reserved:' .. tier)
  end
  if popped ~= tier then
    -- Each tier keeps as many tokens as it has shards.
    if popped and number(sched['waiting:' .. popped]) > 0 then
      redis.call('RPUSH', TOKENS .. popped, '')
    end
    redis.call('RPOP', TOKENS .. tier)
  end
  if known.moves then
    local of = redis.call('HMGET', key, 'listener', 'heard')
    publish(key, job, of[1], of[2], 'moved', '')
  end
  local is_small = known.inline
  if not is_small then
    local length = redis.pcall('HSTRLEN', key .. ':work', shard.index)
    is_small = type(length) == 'number' and length > 0 and length <= INLINE_BYTES
  end
  local work = is_small and redis.pcall('HGET', key .. ':work', shard.index)
  return { job, shard.index, attempt, shard.cause, tenant, format('%d', known.need), format('%.9g', seconds),
    type(work) == 'string' and work or '',
    known.circuits or '', others > 0 and 1 or 0 }
end

-- What can't be read must not keep others from running: such a job waits for somebody to cancel or delete it.
local function set_aside(tenant, tier, job, why)
  write_though_full()
  leave(tier, tenant, job, tiers)
  redis.pcall('HSET', ledger_of(job), 'held', why)
end

-- ---- The choice

local fitting, misfit, has_changed = {}, {}, false
for _, tier in ipairs(tiers) do
  if floor_of(tier) < room(tier) then
    table.insert(fitting, tier)
  else
    misfit[tier] = true
  end
end

-- The first `most` tenants of each tier that may fit, by virtual time.
local function first_tenants(most)
  local turns, seen = {}, {}
  for _, tier in ipairs(fitting) do
    local found = redis.call('ZRANGE', READY .. tier, 0, most - 1, 'WITHSCORES')
    for at = 1, #found, 2 do
      if not seen[found[at]] then
        seen[found[at]] = true
        turns[#turns + 1] = { tenant = found[at], time = found[at + 1] }
      end
    end
  end
  if #fitting > 1 then
    table.sort(turns, function(one, other)
      if one.time ~= other.time then
        return tonumber(one.time) < tonumber(other.time)
      end
      return one.tenant < other.tenant
    end)
  end
  return turns
end

-- The first `most` jobs of a tenant in each tier that may fit, by their place.
local function first_jobs(tenant, most)
  local jobs = {}
  if #fitting == 1 then
    -- Redis takes long to make text of scores.
    for _, job in ipairs(redis.call('ZRANGE', READY .. fitting[1] .. ':' .. tenant, 0, most - 1)) do
      jobs[#jobs + 1] = { job = job, tier = fitting[1] }
    end
    return jobs
  end
  for _, tier in ipairs(fitting) do
    local found = redis.call('ZRANGE', READY .. tier .. ':' .. tenant, 0, most - 1, 'WITHSCORES')
    for at = 1, #found, 2 do
      jobs[#jobs + 1] = { job = found[at], place = tonumber(found[at + 1]), tier = tier }
    end
  end
  table.sort(jobs, function(one, other)
    if one.place ~= other.place then
      return one.place < other.place
    end
    return one.tier > other.tier
  end)
  return jobs
end

-- Look at a job: give a shard of it if one fits.
local function look_at(turn, at)
  local known = read(at.job, at.tier)
  if not known then
    set_aside(turn.tenant, at.tier, at.job, 'its data are damaged')
    has_changed = true
  elseif known.need <= room(at.tier) then
    local is_sound, given = pcall(give, turn.tenant, turn.time, at.tier, at.job, known)
    if is_sound and given then
      return given
    end
    if not is_sound then
      set_aside(turn.tenant, at.tier, at.job, 'its data are damaged: ' .. tostring(given and given.err or given))
    end
    has_changed = true
  else
    misfit[at.tier] = true
  end
end

-- The very first job mostly fits, so it is looked at before the others are read.
local turn = first_tenants(1)[1]
local job = turn and first_jobs(turn.tenant, 1)[1]
local given = job and not is_at_quota(turn.tenant) and look_at(turn, job)
local looks = 0
for _, turn in ipairs(turn and not given and first_tenants(has_quotas and LOOK_LIMITED or LOOK_TENANTS) or {}) do
  for _, at in ipairs(is_at_quota(turn.tenant) and {} or first_jobs(turn.tenant, LOOK_JOBS)) do
    given = look_at(turn, at)
    looks = looks + 1
    if given then
      break
    end
  end
  if given or looks >= MOST_LOOKS then
    break
  end
end
if given then
  settle()
  return given
end

-- Nothing fits now.
write_though_full()
settle()
local lowest
for tier = TIERS - 1, 0, -1 do
  if misfit[tier] then
    lowest = tier
    reserve(tier)
  end
end
if popped and (misfit[popped] or has_changed) and number(sched['waiting:' .. popped]) > 0 then
  redis.call('LPUSH', TOKENS .. popped, '')
end
if not lowest then
  return { 'nothing' }
end
return { 'later', lowest }
