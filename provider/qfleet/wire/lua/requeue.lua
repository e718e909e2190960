-- A client of version 0.1 has let this shard run again, and sent a message for it. ARGV[2]: shard index.

local index = tonumber(ARGV[2])
local job = redis.call('HMGET', LEDGER, 'tiers', 'created')
if job[1] and get(index, 'state') == 'PENDING' then
  redis.call('ZADD', UNFINISHED, job[2], ID)
  each_tier(job[1], function(_, known)
    if index >= known.first and index < known.next then
      back({ index })
    end
  end)
end
