-- SPDX-License-Identifier: Apache-2.0
-- Forget some ids of jobs that have expired. KEYS[1]: ids by time. KEYS[2]: ids by name. KEYS[3]: where the last call
-- stopped, since each call looks at a few. ARGV[1]: what stands before an id in the name of its ledger. ARGV[2]: how many
-- ids are looked at. ARGV[3]: ids made before this time are forgotten. ARGV[4]: so are others, if there are more ids.
-- Returns how many were forgotten.

local first = tonumber(redis.call('GET', KEYS[3]) or 0)
local many = redis.call('ZCARD', KEYS[1]) > tonumber(ARGV[4])
local members = redis.call('ZRANGE', KEYS[1], first, first + ARGV[2] - 1, 'WITHSCORES')
local expired = {}
for at = 1, #members, 2 do
  local old = tonumber(members[at + 1]) < tonumber(ARGV[3])
  if (many or old) and redis.call('EXISTS', ARGV[1] .. members[at]) == 0 then
    table.insert(expired, members[at])
  end
end
if #expired > 0 then
  redis.call('ZREM', KEYS[1], unpack(expired))
  redis.call('ZREM', KEYS[2], unpack(expired))
end
local looked_at = #members / 2
if looked_at < tonumber(ARGV[2]) then
  redis.call('DEL', KEYS[3])
else
  redis.call('SET', KEYS[3], first + looked_at - #expired)
end
return #expired
