-- Store a shard's result. ARGV[5]: shard index. ARGV[6]: who took it. ARGV[7]: SUCCESS or FAILURE.
-- ARGV[8]: the result, or nothing. ARGV[9]: the error, for the user; empty on success. ARGV[10]: how many circuits ran whole.
-- Then, for each circuit of which a block of shots ran: its index, and of how many blocks it consists.
-- Returns 1; or 0, and stores nothing, if the shard is over (cancelled, say) or somebody else took it since.

local index, owner, to = ARGV[5], ARGV[6], ARGV[7]
if get(index, 'owner') ~= owner then
  return 0
end
if get(index, 'state') ~= 'STARTED' then
  if get(index, 'stopping') then
    write_though_full()
    stopped(index)
  end
  return 0
end
if ARGV[8] == '' then
  write_though_full()
else
  redis.call('HSET', RESULTS, index, ARGV[8])
end
if to == 'FAILURE' then
  redis.call('HSETNX', LEDGER, 'error', ARGV[9])
end
local done = tonumber(ARGV[10])
for at = 11, #ARGV, 2 do
  if redis.call('HINCRBY', SHARDS, 'blocks:' .. ARGV[at], 1) == tonumber(ARGV[at + 1]) then
    done = done + 1
  end
end
if to == 'FAILURE' then
  -- What `retry` takes back.
  local counted = {}
  for at = 10, #ARGV do
    table.insert(counted, ARGV[at])
  end
  put(index, 'counted', cjson.encode(counted))
end
count('circuits_done', done)
drop(index, 'circuit', 'cause', 'excused')
move(index, 'STARTED', to)
tell()
return 1
