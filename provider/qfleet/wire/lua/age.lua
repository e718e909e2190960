-- Renew the place of a job that waits: the longer it waits, the earlier it is chosen.
-- Returns the reason why its shards shall fail, if it exceeded a quota and its client died.
-- What is wrong is put right: a job that is in a set it doesn't belong to, or isn't in one where it does.

write_though_full()
local job = redis.call('HMGET', LEDGER, 'tiers', 'tenant', 'weight', 'held', 'created', 'ended')
local may_run = job[5] and not job[6]
if not (job[1] and may_run) then
  redis.call('ZREM', UNFINISHED, ID)
end
each_tier(job[1] or '', function(tier, known, left)
  if left > 0 and may_run and not job[4] then
    if enter(tier, job[2], ID, place(left, known.seconds, job[3], job[5], now())) then
      wait(tier, left)
      push_tokens(tier, left)
    end
  elseif leave(tier, job[2], ID) then
    wait(tier, -left)
  end
end)
return may_run and redis.call('HEXISTS', LEDGER, 'refused') == 1 and job[4]
