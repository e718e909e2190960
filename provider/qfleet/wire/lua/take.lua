-- The gate: may this worker run the shard? ARGV[6]: shard index. ARGV[7]: who takes it, a name used once.
-- Returns the number of this attempt and the work; nothing if the shard is over, or its job is gone.

local index, owner = ARGV[6], ARGV[7]
local state = state_of(index)
if not state or FINAL[state] then
  return {}
end
write_though_full()
redis.call('HSET', SHARDS, index .. ':owner', owner)
local attempt = redis.call('HINCRBY', SHARDS, index .. ':attempts', 1)
if state ~= 'STARTED' then
  move(index, state, 'STARTED')
  tell()
end
return { attempt, redis.call('HGET', WORK, index) }
