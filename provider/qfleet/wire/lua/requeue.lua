-- A message names a shard. ARGV[2]: its index. Returns 1 if it is of a job whose shards are chosen: a client of version 0.1
-- has retried it, and so it may be chosen again. Returns 0 for a job of version 0.1.

local index = tonumber(ARGV[2])
local job = redis.call('HMGET', LEDGER, 'tiers', 'created')
if not job[1] then
  return 0
end
if get(index, 'state') == 'PENDING' then
  redis.call('ZADD', UNFINISHED, job[2], ID)
  each_tier(job[1], function(_, known)
    if index >= known.first and index < known.next then
      back({ index })
    end
  end)
end
return 1
