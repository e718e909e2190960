-- Stop every shard that isn't over, a slice of them at a time. ARGV[2]: the slice's first shard. ARGV[3]: its length.
-- Returns the first shard of the next slice, or -1 after the last; how many shards of this slice were stopped; and which
-- of them ran. The job isn't over before the processes that run one of them are.
-- With the first slice the job is taken out of all choices: from then on none of its shards starts. If the caller dies
-- before the last, CANCELLING has the job's id.

local first = tonumber(ARGV[2])
local states, following = states_of(first, tonumber(ARGV[3]))
if first == 0 then
  must_be_able_to_tell()
end
write_though_full()
local job = redis.call('HMGET', LEDGER, 'n:PENDING', 'n:STARTED', 'tiers')
if first == 0 and tonumber(job[1] or 0) + tonumber(job[2] or 0) > 0 then
  hold('cancelled')
  redis.call('SADD', CANCELLING, ID)
  redis.call('ZREM', UNPLACEABLE, ID)
end
local pending, started, owners = {}, {}, {}
for at, state in ipairs(states) do
  local index = first + at - 1
  if state == 'PENDING' then
    table.insert(pending, index)
  elseif state == 'STARTED' then
    table.insert(started, index)
    table.insert(owners, index .. ':owner')
  end
end
local is_up, stopping, gone = {}, {}, {}
for at, owner in ipairs(#owners > 0 and redis.call('HMGET', SHARDS, unpack(owners)) or {}) do
  local worker = worker_of(owner)
  if is_up[worker] == nil then
    is_up[worker] = presence(worker) ~= nil
  end
  if is_up[worker] then
    table.insert(stopping, started[at] .. ':stopping')
    table.insert(stopping, 1)
  else
    table.insert(gone, started[at])
  end
end
if #stopping > 0 then
  redis.call('HSET', SHARDS, unpack(stopping))
  count('stopping', #stopping / 2)
end
move(pending, 'PENDING', 'REVOKED')
move(started, 'STARTED', 'REVOKED')
forget(gone)
if following == -1 then
  choose_none(job[3])
  redis.call('SREM', CANCELLING, ID)
end
if #pending + #started > 0 then
  tell()
end
return { following, #pending + #started, unpack(started) }
