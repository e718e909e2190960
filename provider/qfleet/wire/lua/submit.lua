-- Let a job that is stored be run. ARGV[2]: how many programs it has. Returns the time of its creation, as text; or
-- nothing, and does nothing, if a program is missing; or the time and the reason why the caller must let its shards fail. A second call changes nothing.

local job = redis.call('HMGET', LEDGER, 'created', 'tiers', 'tenant', 'weight', 'shards', 'retention', 'circuits')
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
-- The client pushes the tokens, in the same transaction: of 100,000 shards, that takes long.
local created, why = let_run(job[2], job[3], job[4], job[5], job[6], job[7])
return why and { created, why } or created
