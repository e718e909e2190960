-- Let no shard of a job be chosen. ARGV[2]: 'paused', or why no worker can hold it.

write_though_full()
hold(ARGV[2])
if ARGV[2] ~= 'paused' and redis.call('HGET', LEDGER, 'held') == ARGV[2] then
  redis.call('ZADD', UNPLACEABLE, 'NX', now(), ID)
end
