-- Remove a job with all its keys. Its shards that run are forgotten by the next look for lost ones.

write_though_full()
-- Removed all the same if another program wrote to the keys of the fleet.
pcall(hold, 'cancelled')
redis.call('UNLINK', AGAIN, unpack(all_keys()))
for _, key in ipairs({ JOBS, IDS, UNFINISHED, ACTIVE, UNPLACEABLE }) do
  redis.call('ZREM', key, ID)
end
redis.call('SREM', CANCELLING, ID)
