-- Let every shard that failed run again, a slice of them at a time. ARGV[2]: the slice's first shard. ARGV[3]: its
-- length. ARGV[4]: 1 if a slice before this one had a shard that failed, else 0.
-- Returns the first shard of the next slice, or -1 after the last; and which shards of this slice wait again. What their
-- circuits gave stays until they have run. A job that is being cancelled, or that exceeded a quota, has none.

local first = tonumber(ARGV[2])
local states, following = states_of(first, tonumber(ARGV[3]))
must_be_able_to_tell()
local known = redis.call('HMGET', LEDGER, 'created', 'tiers', 'ended', 'held', 'refused')
if known[4] == 'cancelled' or known[5] then
  return { -1 }
end
local failed, died = {}, {}
for at, state in ipairs(states) do
  if state == 'FAILURE' then
    local index = first + at - 1
    table.insert(failed, index)
    table.insert(died, index .. ':died')
  end
end
if #failed == 0 then
  return { following }
end
if ARGV[4] == '0' then
  redis.call('HDEL', LEDGER, 'error', 'published')
end
if known[3] then
  redis.call('HDEL', LEDGER, 'ended')
  for _, key in ipairs(all_keys()) do
    redis.call('PERSIST', key)
  end
  redis.call('ZADD', known[2] and UNFINISHED or ACTIVE, known[1], ID)
end
for at, circuits in ipairs(redis.call('HMGET', SHARDS, unpack(died))) do
  local of = failed[at] .. ':'
  for circuit in string.gmatch(circuits or '', '%d+') do
    redis.call('HDEL', SHARDS, of .. 'deaths:' .. circuit)
  end
  redis.call('HDEL', SHARDS, of .. 'attempts', of .. 'owner', of .. 'cause', of .. 'missed', of .. 'again', of .. 'excused',
    of .. 'died', of .. 'error')
end
move(failed, 'FAILURE', 'PENDING')
back(failed)
tell()
return { following, unpack(failed) }
