-- A worker that stops hands a shard back. ARGV[2]: shard index. ARGV[3]: the owner, or the start of its name.
-- ARGV[4]: the core seconds that the attempt took.
-- Returns 0 if it doesn't have the shard; 1; or 2 if the caller must send a message for the shard.
-- This was no attempt: the shard has nothing to do with it.

local index = ARGV[2]
if get(index, 'state') ~= 'STARTED' or not has(index, ARGV[3]) then
  return 0
end
write_though_full()
redis.call('HINCRBY', SHARDS, index .. ':attempts', -1)
drop(index, 'owner', 'circuit', 'missed', 'excused')
use(ARGV[4])
move({ index }, 'STARTED', 'PENDING')
forget({ index })
local how = back({ index })
tell()
return how
