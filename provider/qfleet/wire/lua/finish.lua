-- Store a shard's result. ARGV[6]: shard index. ARGV[7]: who took it. ARGV[8]: SUCCESS or FAILURE.
-- ARGV[9]: the result, or nothing. ARGV[10]: the error, for the user; empty on success. ARGV[11]: how many circuits ran whole.
-- Then, for each circuit of which a block of shots ran: its index, and of how many blocks it consists.
-- Returns 1; or 0, and changes nothing, if the shard is over (cancelled, say) or somebody else took it since.

local index, owner, to = ARGV[6], ARGV[7], ARGV[8]
if state_of(index) ~= 'STARTED' or redis.call('HGET', SHARDS, index .. ':owner') ~= owner then
  return 0
end
if ARGV[9] == '' then
  write_though_full()
else
  redis.call('HSET', RESULTS, index, ARGV[9])
end
if to == 'FAILURE' then
  redis.call('HSETNX', LEDGER, 'error', ARGV[10])
end
local done = tonumber(ARGV[11])
for at = 12, #ARGV, 2 do
  if redis.call('HINCRBY', SHARDS, 'blocks:' .. ARGV[at], 1) == tonumber(ARGV[at + 1]) then
    done = done + 1
  end
end
redis.call('HINCRBY', LEDGER, 'circuits_done', done)
move(index, 'STARTED', to)
tell()
return 1
