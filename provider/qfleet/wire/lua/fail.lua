-- A shard is given up by its worker. ARGV[3]: shard index. ARGV[4]: the worker. ARGV[5]: the error, for the user.
-- Returns whether the worker had it.

local index = ARGV[3]
if get(index, 'state') ~= 'STARTED' or worker_of(get(index, 'owner')) ~= ARGV[4] then
  return 0
end
write_though_full()
redis.call('HSETNX', LEDGER, 'error', ARGV[5])
drop(index, 'owner', 'circuit', 'cause', 'excused')
move(index, 'STARTED', 'FAILURE')
tell()
return 1
