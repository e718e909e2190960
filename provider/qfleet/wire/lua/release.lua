-- A worker that stops hands a shard back. ARGV[2]: shard index. ARGV[3]: the worker.
-- Returns whether it had the shard. This was no attempt: the shard has nothing to do with it.

local index = ARGV[2]
if get(index, 'state') ~= 'STARTED' or worker_of(get(index, 'owner')) ~= ARGV[3] then
  return 0
end
write_though_full()
redis.call('HINCRBY', SHARDS, index .. ':attempts', -1)
drop(index, 'owner', 'circuit', 'missed', 'excused')
move(index, 'STARTED', 'PENDING')
tell()
return 1
