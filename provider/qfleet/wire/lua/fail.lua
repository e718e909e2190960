-- A shard is given up by its worker. ARGV[2]: shard index. ARGV[3]: the owner, or the start of its name. ARGV[4]: the
-- error, for the user. ARGV[5]: the core seconds that the attempt took. Returns whether the worker had it.

local index = ARGV[2]
if get(index, 'state') ~= 'STARTED' or not has(index, ARGV[3]) then
  return 0
end
write_though_full()
redis.call('HSETNX', LEDGER, 'error', ARGV[4])
put(index, 'error', ARGV[4])
use(ARGV[5])
drop(index, 'owner', 'circuit', 'cause', 'excused')
move({ index }, 'STARTED', 'FAILURE')
forget({ index })
tell()
return 1
