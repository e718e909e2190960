-- Let no shard of a job be chosen. ARGV[2]: 'paused', or why no worker can hold it. Returns whether that changed anything:
-- it doesn't for a job that is held for a reason that comes first, for one that exceeded a quota, and for one without shards
-- that wait or run.

local job = redis.call('HMGET', LEDGER, 'n:PENDING', 'n:STARTED', 'held', 'refused')
if tonumber(job[1] or 0) + tonumber(job[2] or 0) == 0 or job[4] then
  return 0
end
write_though_full()
hold(ARGV[2])
local held = redis.call('HGET', LEDGER, 'held')
if ARGV[2] ~= 'paused' and held == ARGV[2] then
  redis.call('ZADD', UNPLACEABLE, 'NX', now(), ID)
end
return held ~= job[3] and 1 or 0
