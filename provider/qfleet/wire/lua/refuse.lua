-- Let the shards fail that wait for a worker that can hold them, a slice at a time. ARGV[2]: the slice's first shard.
-- ARGV[3]: its length. ARGV[4]: the error, for the user. Returns the first shard of the next slice, or -1 after the last.

local first = tonumber(ARGV[2])
local held = redis.call('HGET', LEDGER, 'held')
if not held or held == 'paused' or held == 'cancelled' then
  return -1
end
local states, following = states_of(first, tonumber(ARGV[3]))
write_though_full()
local failed, errors = {}, {}
for at, state in ipairs(states) do
  if state == 'PENDING' then
    local index = first + at - 1
    table.insert(failed, index)
    table.insert(errors, index .. ':error')
    table.insert(errors, ARGV[4])
  end
end
if #failed > 0 then
  redis.call('HSETNX', LEDGER, 'error', ARGV[4])
  redis.call('HSET', SHARDS, unpack(errors))
  move(failed, 'PENDING', 'FAILURE')
end
-- If some were put back behind the caller, the next look for such jobs finds it again.
if following == -1 and tonumber(redis.call('HGET', LEDGER, 'n:PENDING') or 0) <= 0 then
  choose_none(redis.call('HGET', LEDGER, 'tiers'))
  redis.call('ZREM', UNPLACEABLE, ID)
end
if #failed > 0 then
  tell()
end
return following
