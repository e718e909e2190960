-- Remove a job with all its keys. Its shards that run are forgotten by the next look for lost ones. ARGV[2]: 'ended' if it
-- is removed only if none is left to run. Returns whether it was removed.

if ARGV[2] == 'ended' and redis.call('EXISTS', LEDGER) == 1 and redis.call('HEXISTS', LEDGER, 'ended') == 0 then
  return 0
end
write_though_full()
-- Removed all the same if another program wrote to the keys of the fleet.
pcall(hold, 'cancelled')
pcall(uncount)
pcall(function()
  bill(unpack(redis.call('HMGET', LEDGER, 'tenant', 'usage', 'billed')))
end)
redis.call('UNLINK', AGAIN, unpack(all_keys()))
redis.call('ZREM', HOME .. 'jobs', NAME)
redis.call('ZREM', HOME .. 'ids', NAME)
for _, key in ipairs({ UNFINISHED, ACTIVE, UNPLACEABLE }) do
  redis.call('ZREM', key, ID)
end
redis.call('SREM', CANCELLING, ID)
return 1
