-- Let a job be run that a tenant wants to run. KEYS[1]: the job's ledger. ARGV[1]: its reference, which alone tells whose
-- job it is. The tenant has written the job beside: nothing in there is trusted, and nothing of it can be changed once it
-- is moved to the ledger.
-- Returns 'twice' for a job that was admitted already, 'gone' if there is none, 'bad' and the reason for one that no client
-- writes, 'refused' and the reason for one whose shards the caller must let fail, and 'run' for one that may be chosen from
-- now on.

local IN = HOME .. 'in:job:' .. NAME
-- The states of the shards aren't among them: scripts trust these, and so this one writes them.
local PARTS = { '', ':work', ':programs' }

local function drop_it(...)
  for _, part in ipairs(PARTS) do
    redis.call('UNLINK', IN .. part)
  end
  redis.call('UNLINK', IN .. ':shards')
  return { ... }
end

if redis.call('EXISTS', LEDGER) == 1 then
  return drop_it('twice')
end
for at, part in ipairs(PARTS) do
  local kind = redis.call('TYPE', IN .. part).ok
  if kind == 'none' and at == 1 then
    return drop_it('gone')
  elseif kind ~= 'hash' and kind ~= 'none' then
    return drop_it('bad', 'it is a ' .. kind)
  end
end

local function whole(text, most)
  local value = string.match(text or '', '^%d+$') and #text < 19 and (text == '0' or string.sub(text, 1, 1) ~= '0') and tonumber(text)
  return value and value <= most and value or nil
end

local function is_real(text)
  local value = text and #text < 32 and string.match(text, '^[%d.e+-]+$') and tonumber(text)
  return value and value >= 0 and value <= MOST_SECONDS
end

-- Some fields; '?' for each that is too long for what it is, and isn't read.
local function read(...)
  local names, found, at = {}, {}, {}
  for place, name in ipairs({ ... }) do
    found[place] = '?'
    if redis.call('HSTRLEN', IN, name) <= 40 then
      names[#names + 1], at[#at + 1] = name, place
    end
  end
  for place, value in ipairs(#names > 0 and redis.call('HMGET', IN, unpack(names)) or {}) do
    found[at[place]] = value
  end
  return found
end

local job = read('tiers', 'weight', 'shards', 'retention', 'circuits', 'held')
local total, retention = whole(job[3], MAX_SHARDS), whole(job[4], 2 ^ 31 - 1)
if not (total and retention and retention > 0 and whole(job[5], 1e9) and ({ ['1'] = 1, ['2'] = 1, ['8'] = 1 })[job[2]]) then
  return drop_it('bad', 'its numbers')
end
if redis.call('HSTRLEN', IN, 'listener') > 64 or redis.call('HLEN', IN) > MOST_FIELDS or redis.call('HEXISTS', IN, 'record') == 0 then
  return drop_it('bad', 'its fields')
end
for _, field in ipairs({ 'backend', 'output', 'tags' }) do
  local length = redis.call('HSTRLEN', IN, field)
  if length == 0 or length > MAX_RECORD_BYTES then
    return drop_it('bad', 'its fields')
  end
end
if redis.call('HLEN', IN .. ':work') ~= total then
  return drop_it('bad', 'its shards')
end
if redis.call('HLEN', IN .. ':programs') > MAX_SHARDS then
  return drop_it('bad', 'its programs')
end
if not job[1] or not string.match(job[1], '^[%d ]*$') then
  return drop_it('bad', 'its tiers')
end

-- What only scripts write begins as in a new job.
local tenant = string.sub(ID, 1, -2 - #NAME)
local gone = { 'created', 'ended', 'error', 'held', 'moves', 'heard', 'usage', 'billed', 'began', 'published', 'stopping', 'counted', 'limited', 'inline',
  'refused', 'n:STARTED', 'n:SUCCESS',
  'n:FAILURE', 'n:REVOKED' }
local fields = { 'tenant', tenant, 'n:PENDING', total, 'circuits_done', 0 }
local stop, last = 0, -1
for text in string.gmatch(job[1], '%d+') do
  local t, tier = 't' .. text .. ':', tonumber(text)
  local of = read(t .. 'first', t .. 'end', t .. 'need', t .. 'slow', t .. 'seconds', t .. 'qubits', t .. 'longest')
  local first, tail = whole(of[1], MAX_SHARDS), whole(of[2], MAX_SHARDS)
  local need, slow = whole(of[3], MOST_BYTES), whole(of[4], MOST_BYTES)
  if not (tier > last and tier < TIERS and tostring(tier) == text and first == stop and tail and tail > first)
    or not (is_real(of[5]) and whole(of[6], 1e6) and (not of[7] or is_real(of[7])))
    -- Workers choose by the tier: what needs more or less than its tier has would take another's turn, or memory.
    or not (need and slow and slow >= need and (tier == 0 or need > LOWEST_TIER_BYTES * 2 ^ (tier - 1))
      and (tier == TIERS - 1 or need <= LOWEST_TIER_BYTES * 2 ^ tier)) then
    return drop_it('bad', 'its tiers')
  end
  stop, last = tail, tier
  table.insert(gone, t .. 'again')
  table.insert(fields, t .. 'next')
  table.insert(fields, first)
end
if stop ~= total then
  return drop_it('bad', 'its tiers')
end

if redis.call('HGET', SCHED, 'quotas') == '1' then
  -- Fails before anything is moved if this user may not measure.
  redis.call('MEMORY', 'USAGE', IN)
end
for _, part in ipairs(PARTS) do
  if redis.call('EXISTS', IN .. part) == 1 then
    redis.call('RENAME', IN .. part, LEDGER .. part)
  end
end
redis.call('UNLINK', SHARDS, AGAIN, LEDGER .. ':results', IN .. ':shards')
write_though_full()
for first = 0, total - 1, STATES_AT_ONCE do
  local states = {}
  for index = first, math.min(first + STATES_AT_ONCE, total) - 1 do
    states[#states + 1] = index .. ':state'
    states[#states + 1] = 'PENDING'
  end
  redis.call('HSET', SHARDS, unpack(states))
end
redis.call('HDEL', LEDGER, unpack(gone))
redis.call('HSET', LEDGER, unpack(fields))
local _, why = let_run(job[1], tenant, job[2], job[3], job[4], job[5],
  job[6] == 'cancelled')
if why then
  return { 'refused', why }
elseif job[6] == 'cancelled' then
  -- Its tenant cancelled it before a worker came.
  return { 'run' }
end
each_tier(job[1], function(tier, known)
  push_tokens(tier, known.stop - known.first)
end)
-- A client of a tenant can't remove the ids of jobs that expired long ago.
local before = string.format('%.6f', now() - TOMBSTONE_SECONDS)
for _, id in ipairs(redis.call('ZRANGEBYSCORE', HOME .. 'jobs', '-inf', before, 'LIMIT', 0, TRIMMED_AT_ONCE)) do
  if redis.call('EXISTS', HOME .. 'job:' .. id) == 0 then
    redis.call('ZREM', HOME .. 'jobs', id)
    redis.call('ZREM', HOME .. 'ids', id)
  end
end
return { 'run' }
