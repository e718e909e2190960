-- Store a shard's result. ARGV[5]: shard index. ARGV[6]: who took it. ARGV[7]: SUCCESS or FAILURE.
-- ARGV[8]: the result. ARGV[9]: the error, for the user; empty on success.
-- Returns 1; or 0, and changes nothing, if the shard is over (cancelled, say) or somebody else took it since.

local index, owner, to = ARGV[5], ARGV[6], ARGV[7]
if state_of(index) ~= 'STARTED' or redis.call('HGET', SHARDS, index .. ':owner') ~= owner then
  return 0
end
redis.call('HSET', RESULTS, index, ARGV[8])
if to == 'SUCCESS' then
  redis.call('HINCRBY', LEDGER, 'circuits_done', redis.call('HGET', SHARDS, index .. ':circuits'))
else
  redis.call('HSETNX', LEDGER, 'error', ARGV[9])
end
move(index, 'STARTED', to)
tell()
return 1
