-- Remove a job with all its keys. Its shards that run are forgotten by the next look for lost ones.

write_though_full()
-- Removed all the same if another program wrote to the keys of the fleet.
pcall(hold, 'cancelled')
pcall(uncount)
redis.call('UNLINK', AGAIN, unpack(all_keys()))
redis.call('ZREM', HOME .. 'jobs', NAME)
redis.call('ZREM', HOME .. 'ids', NAME)
for _, key in ipairs({ UNFINISHED, ACTIVE, UNPLACEABLE }) do
  redis.call('ZREM', key, ID)
end
redis.call('SREM', CANCELLING, ID)
