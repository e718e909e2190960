-- SPDX-License-Identifier: Apache-2.0
-- After moves.lua and ready.lua, in front of the scripts that put shards back, hold a job, or let it go.

-- Call `what` with each tier of the job, its fields in the ledger, and how many of its shards nobody has chosen.
local function each_tier(tiers, what)
  for text in string.gmatch(tiers, '%d+') do
    local tier, t = tonumber(text), 't' .. text .. ':'
    local of = redis.call('HMGET', LEDGER, t .. 'first', t .. 'end', t .. 'next', t .. 'again', t .. 'seconds')
    local known = { first = number(of[1]), stop = number(of[2]), next = number(of[3]), again = number(of[4]) }
    known.seconds = of[5]
    what(tier, known, known.stop - known.next + known.again)
  end
end

-- Nothing of a held job is left to be chosen.
local function choose_none(tiers)
  each_tier(tiers or '', function(tier, known)
    redis.call('HSET', LEDGER, 't' .. tier .. ':next', known.stop, 't' .. tier .. ':again', 0)
  end)
  redis.call('UNLINK', AGAIN)
  redis.call('HDEL', LEDGER, 'held')
end

-- Let PENDING shards be chosen, before the job's others. Returns 1; or 2 for a job of version 0.1, for which the caller
-- must send messages.
local function back(indices)
  local job = redis.call('HMGET', LEDGER, 'tiers', 'tenant', 'weight', 'held', 'created')
  if not job[1] then
    return 2
  end
  each_tier(job[1], function(tier, known, left)
    local members = {}
    for _, index in ipairs(indices) do
      index = tonumber(index)
      if index >= known.first and index < known.stop then
        table.insert(members, index)
        table.insert(members, index)
      end
    end
    local more = #members > 0 and redis.call('ZADD', AGAIN, unpack(members)) or 0
    if more > 0 then
      count('t' .. tier .. ':again', more)
      if not job[4] then
        enter(tier, job[2], ID, place(left + more, known.seconds, job[3], job[5], now()))
        wait(tier, more)
        push_tokens(tier, more)
      end
    end
  end)
  return 1
end

-- Let no shard of the job be chosen. `why`: 'cancelled', 'paused', or the text that tells why no worker can hold it. Each
-- of these takes the place of the ones behind it.
local function hold(why)
  local job = redis.call('HMGET', LEDGER, 'tiers', 'tenant', 'held')
  if not job[1] then
    return
  end
  if not job[3] then
    each_tier(job[1], function(tier, _, left)
      if left > 0 and leave(tier, job[2], ID) then
        wait(tier, -left)
      end
    end)
  elseif job[3] == 'cancelled' or (job[3] == 'paused' and why ~= 'cancelled') then
    return
  end
  redis.call('HSET', LEDGER, 'held', why)
end

-- Let a job be chosen again that is held.
local function let_go()
  local job = redis.call('HMGET', LEDGER, 'tiers', 'tenant', 'weight', 'held', 'created')
  if not (job[1] and job[4]) then
    return
  end
  redis.call('HDEL', LEDGER, 'held')
  each_tier(job[1], function(tier, known, left)
    if left > 0 then
      enter(tier, job[2], ID, place(left, known.seconds, job[3], job[5], now()))
      wait(tier, left)
      push_tokens(tier, left)
    end
  end)
end
