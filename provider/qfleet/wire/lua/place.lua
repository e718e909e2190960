-- Where a job stands among those that wait, and what is known of the time that it takes. KEYS[1]: its ledger.
-- ARGV[1]: its reference. Changes nothing. Reads at most MOST_READ jobs, tenants or shards of each list: its time doesn't grow with
-- what waits.
-- Returns nothing for a job that isn't there, is held, or is of version 0.1. Else: how many jobs of its tenant come before
-- it, at least if they are many; how many other tenants have shards to choose; its tenant's share of the fleet; the core seconds that others are given
-- before its tenant; the predicted core seconds of its tenant's shards that come before its last one; the number of shards
-- that run in the fleet; the most core seconds predicted of one of these. Then for each of its tiers: how many of its shards
-- nobody has chosen; what one of them needs, on the faster engine and on the slower one; its core seconds; and those of the
-- longest one.

local LEDGER, ID = KEYS[1], ARGV[1]
local job = redis.call('HMGET', LEDGER, 'tiers', 'tenant', 'held')
if not (job[1] and job[2]) or job[3] then
  return {}
end
local tenant = job[2]

-- How many shards of a job's tier nobody has chosen, and the predicted seconds of one and of the longest; 0 of what can't be
-- read.
local function left_of(id, tier)
  local t = 't' .. tier .. ':'
  local of = redis.pcall('HMGET', ledger_of(id), t .. 'next', t .. 'end', t .. 'again', t .. 'seconds', t .. 'longest')
  if of.err then
    return 0, 0, 0
  end
  local seconds = math.max(0, number(of[4]))
  return math.max(0, number(of[2]) - number(of[1]) + number(of[3])), seconds, math.max(seconds, number(of[5]))
end

-- ---- Its tiers, and its places among its tenant's jobs

local rows, first, last, mine = {}, nil, nil, nil
for text in string.gmatch(job[1], '%d+') do
  local tier = tonumber(text)
  local left, seconds, longest = left_of(ID, tier)
  local needs = redis.call('HMGET', LEDGER, 't' .. tier .. ':need', 't' .. tier .. ':slow')
  for _, value in ipairs({ left, number(needs[1]), number(needs[2]), seconds, longest }) do
    rows[#rows + 1] = string.format('%.17g', value)
  end
  local at = left > 0 and redis.call('ZSCORE', READY .. tier .. ':' .. tenant, ID)
  if at then
    first = math.min(first or tonumber(at), tonumber(at))
    last = math.max(last or tonumber(at), tonumber(at))
    mine = redis.call('ZSCORE', READY .. tier, tenant) or mine
  end
end

-- ---- What comes before it

local jobs, unread, before, seen = 0, 0, 0, { [ID] = true }
local function look_before(tier)
  local key, below, read = READY .. tier .. ':' .. tenant, '(' .. string.format('%.17g', last), 0
  local found = redis.call('ZRANGEBYSCORE', key, '-inf', below, 'WITHSCORES', 'LIMIT', 0, MOST_READ)
  for at = 1, #found, 2 do
    local left, seconds = left_of(found[at], tier)
    if found[at] ~= ID then
      read = read + left * seconds
      if tonumber(found[at + 1]) < first and not seen[found[at]] then
        seen[found[at]] = true
        jobs = jobs + 1
      end
    end
  end
  before = before + read
  if #found == 2 * MOST_READ then
    -- Those that weren't read are like the others.
    before = before + read * (redis.call('ZCOUNT', key, '-inf', below) / MOST_READ - 1)
    -- They may be the same jobs in each tier.
    unread = math.max(unread, redis.call('ZCOUNT', key, '-inf', '(' .. string.format('%.17g', first)) - MOST_READ)
  end
end

-- ---- Those that it shares the fleet with

local weighted = redis.call('HGET', SCHED, 'weighted') == '1'
local function weight_of(name)
  local weight = weighted and number(redis.call('HGET', WEIGHTS, name)) or 1
  return weight > 0 and weight or 1
end

local tenants, weights, least, met = 0, 0, tonumber(mine or 0), { [tenant] = true }
local function look_beside(tier)
  local found = redis.call('ZRANGE', READY .. tier, 0, MOST_READ - 1, 'WITHSCORES')
  for at = 1, #found, 2 do
    if not met[found[at]] then
      met[found[at]] = true
      tenants, weights = tenants + 1, weights + weight_of(found[at])
      least = math.min(least, tonumber(found[at + 1]))
    end
  end
end

for tier = 0, TIERS - 1 do
  if last then
    look_before(tier)
  end
  look_beside(tier)
end

-- ---- What runs

local longest, known = 0, {}
for _, task in ipairs(redis.call('ZRANGE', STARTED, 0, MOST_READ - 1)) do
  local id = string.match(task, '^(.*)%.%d+$')
  if id and not known[id] then
    known[id] = true
    local tiers = redis.pcall('HGET', ledger_of(id), 'tiers')
    for tier in string.gmatch(type(tiers) == 'string' and string.sub(tiers, 1, 40) or '', '%d+') do
      local _, _, seconds = left_of(id, tier)
      longest = math.max(longest, seconds)
    end
  end
end

local share = weight_of(tenant) / (weight_of(tenant) + weights)
local first_to_others = mine and (tonumber(mine) - least) * weights or 0
local answer = { jobs + unread, tenants, share, first_to_others, before, redis.call('ZCARD', STARTED), longest }
for at, value in ipairs(answer) do
  answer[at] = string.format('%.17g', value)
end
for _, value in ipairs(rows) do
  answer[#answer + 1] = value
end
return answer
