-- Let a job that is stored be run. ARGV[2]: how many programs it has. Returns the time of its creation, as text; or
-- nothing, and does nothing, if a program is missing. A second call changes nothing.

local job = redis.call('HMGET', LEDGER, 'created', 'tiers', 'tenant', 'weight', 'shards', 'retention')
if job[1] then
  return job[1]
end
assert(job[2] and string.match(job[2], '^[%d ]*$') and #job[2] < 40, 'a job has no such tiers')
assert(job[3] and #job[3] <= 64 and string.match(job[3], '^[%w._@-]+$'), 'no tenant has such a name')
local stop = 0
each_tier(job[2], function(tier, known)
  assert(tier < TIERS and known.first == stop and known.stop > stop, 'a tier has no such shards')
  stop = known.stop
end)
assert(stop == num_shards(), 'each shard is of a tier')
if redis.call('HLEN', LEDGER .. ':programs') < tonumber(ARGV[2]) then
  return ''
end
local clock = redis.call('TIME')
local created = clock[1] .. '.' .. string.format('%06d', clock[2])
redis.call('HSET', LEDGER, 'created', created)
redis.call('ZADD', JOBS, created, ID)
redis.call('ZADD', IDS, 0, ID)
if job[5] == '0' then
  redis.call('HSET', LEDGER, 'ended', created)
  redis.call('EXPIRE', LEDGER, job[6])
  return created
end
redis.call('ZADD', UNFINISHED, created, ID)
each_tier(job[2], function(tier, known)
  local left = known.stop - known.first
  redis.call('HSET', LEDGER, 't' .. tier .. ':next', known.first)
  if redis.call('EXISTS', READY .. tier) == 0 then
    -- Nobody has kept its shards waiting yet.
    redis.call('HSET', SCHED, 'served:' .. tier, created)
  end
  enter(tier, job[3], ID, place(left, known.seconds, job[4], created, number(created)))
  -- The client pushes the tokens, in the same transaction: of 100,000 shards, that takes long.
  wait(tier, left)
end)
return created
