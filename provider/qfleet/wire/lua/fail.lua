-- A shard is given up by its worker. ARGV[5]: shard index. ARGV[6]: the worker. ARGV[7]: the error, for the user.
-- Returns whether the worker had it.

local index = ARGV[5]
if get(index, 'state') ~= 'STARTED' or worker_of(get(index, 'owner')) ~= ARGV[6] then
  return 0
end
write_though_full()
redis.call('HSETNX', LEDGER, 'error', ARGV[7])
drop(index, 'owner', 'circuit', 'cause', 'excused')
move(index, 'STARTED', 'FAILURE')
tell()
return 1
