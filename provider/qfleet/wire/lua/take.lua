-- The gate of a job of version 0.1: may this process run the shard? ARGV[2]: shard index. ARGV[3]: who takes it, a name
-- used once. ARGV[4]: an owner whose process is known to be dead, or nothing.
-- Returns the number of this attempt, the work, and why the attempt before ended; the owner and its machine, if a worker
-- that is up has the shard; nothing if the shard is over, or its job is gone, or has shards that are chosen by pick.lua.

local index, owner, dead = ARGV[2], ARGV[3], ARGV[4]
local state = get(index, 'state')
if not state or FINAL[state] or redis.call('HEXISTS', LEDGER, 'tiers') == 1 then
  return {}
end
local held = get(index, 'owner')
if state == 'STARTED' and held ~= dead then
  local said = presence(worker_of(held))
  if said then
    return { held, tostring(said.machine or '') }
  end
end
write_though_full()
put(index, 'owner', owner)
-- The circuit that was being run when the process before this one died.
local circuit = get(index, 'circuit')
local attempt
if get(index, 'excused') then
  attempt = tonumber(get(index, 'attempts'))
else
  attempt = redis.call('HINCRBY', SHARDS, index .. ':attempts', 1)
  if circuit then
    if redis.call('HINCRBY', SHARDS, index .. ':deaths:' .. circuit, 1) == 1 then
      put(index, 'died', (get(index, 'died') or '') .. circuit .. ' ')
    end
  end
end
drop(index, 'circuit', 'missed', 'again', 'excused')
if state ~= 'STARTED' then
  move({ index }, state, 'STARTED')
  redis.call('HSETNX', LEDGER, 'began', string.format('%.3f', now()))
  tell()
end
return { attempt, redis.call('HGET', LEDGER .. ':work', index) or '', get(index, 'cause') or '' }
