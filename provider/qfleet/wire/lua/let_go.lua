-- Let a job be chosen again. ARGV[2]: 'paused' if it was paused; nothing if no worker could hold it. Returns whether it was
-- held for that. A job that exceeded a quota never runs.

local held = redis.call('HGET', LEDGER, 'held')
if redis.call('HEXISTS', LEDGER, 'refused') == 1 then
  return 0
end
if ARGV[2] == '' then
  redis.call('ZREM', UNPLACEABLE, ID)
end
if held and (held == ARGV[2] or (ARGV[2] == '' and held ~= 'paused' and held ~= 'cancelled')) then
  write_though_full()
  let_go()
  return 1
end
return 0
