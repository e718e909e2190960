-- Let each tier have as many tokens as it has shards to choose. A few more do no harm: workers have popped some whose
-- shards they choose next. Forgets tenants without debts, too, and of very many accounts those with the least. Returns for
-- each tier with shards to choose: the tier, the number of shards, of tokens before.

local answer = {}
-- A full Redis refuses only the first write of a script, and none that takes no memory.
redis.call('HDEL', SCHED, '')
local has_quotas = redis.call('HGET', SCHED, 'quotas') == '1'
for tier = 0, TIERS - 1 do
  local waiting = number(redis.call('HGET', SCHED, 'waiting:' .. tier))
  if redis.call('EXISTS', READY .. tier) == 0 then
    if waiting ~= 0 then
      redis.call('HSET', SCHED, 'waiting:' .. tier, 0)
    end
    redis.call('DEL', TOKENS .. tier)
  else
    if waiting < 1 then
      -- Some job has at least one.
      waiting = 1
      redis.call('HSET', SCHED, 'waiting:' .. tier, 1)
    end
    local tokens = redis.call('LLEN', TOKENS .. tier)
    if tokens > waiting + SPARE_TOKENS then
      redis.call('LTRIM', TOKENS .. tier, 0, waiting - 1)
    end
    -- Tenants at their quotas have shards that wait for no token.
    push_tokens(tier, math.min(waiting - tokens, has_quotas and SPARE_TOKENS or waiting))
    for _, value in ipairs({ tier, waiting, tokens }) do
      table.insert(answer, value)
    end
  end
end
-- A tenant that comes back begins at least there: what it used before no longer counts.
local now = number(redis.call('HGET', SCHED, 'now'))
local some = redis.call('HRANDFIELD', VT, FORGOTTEN_AT_ONCE, 'WITHVALUES') or {}
for at = 1, #some, 2 do
  if number(some[at + 1]) <= now then
    redis.call('HDEL', VT, some[at])
  end
end
-- Of some accounts at a time, the half that used less goes: tenants who used much are kept.
local kept = redis.pcall('HLEN', USED)
if type(kept) == 'number' and kept > MOST_ACCOUNTS then
  local found, accounts = redis.call('HRANDFIELD', USED, FORGOTTEN_AT_ONCE, 'WITHVALUES') or {}, {}
  for at = 1, #found, 2 do
    accounts[#accounts + 1] = { tenant = found[at], used = number(found[at + 1]) }
  end
  table.sort(accounts, function(one, other)
    return one.used < other.used
  end)
  for at = 1, math.floor(#accounts / 2) do
    redis.call('HDEL', USED, accounts[at].tenant)
  end
end
return answer
