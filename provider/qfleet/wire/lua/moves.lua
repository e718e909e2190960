-- SPDX-License-Identifier: Apache-2.0
-- After job.lua, in front of the scripts that move shards of one job. LEGAL, the moves that there are, stands before this
-- text.

local AGAIN = LEDGER .. ':again'
local FINAL = { SUCCESS = true, FAILURE = true, REVOKED = true }

local function get(index, field)
  return redis.call('HGET', SHARDS, index .. ':' .. field)
end

local function put(index, field, value)
  redis.call('HSET', SHARDS, index .. ':' .. field, value)
end

-- How many shards the job has; 0 for a job that isn't there. Redis does nothing else while a script loops over them, so
-- a number that no client stores is an error.
local function num_shards()
  local text = redis.call('HGET', LEDGER, 'shards') or '0'
  local total = tonumber(text)
  assert(total and total >= 0 and total <= MAX_SHARDS and total % 1 == 0, 'a job does not have ' .. text .. ' shards')
  return total
end

-- The states of a slice of the job's shards, and the index after them; -1 after the last shard.
local function states_of(first, length)
  assert(first >= 0 and length > 0 and length <= MOST_AT_ONCE, 'no slice has this first shard and length')
  local total, fields = num_shards(), {}
  local stop = math.min(total, first + length)
  for index = first, stop - 1 do
    table.insert(fields, index .. ':state')
  end
  return #fields > 0 and redis.call('HMGET', SHARDS, unpack(fields)) or {}, stop < total and stop or -1
end

-- The worker that an owner belongs to: "<worker>/<process>/<token>".
local function worker_of(owner)
  return string.match(owner or '', '^(.*)/%d+/%w+$') or ''
end

local function has(index, start)
  return start ~= '' and string.sub(get(index, 'owner') or '', 1, #start) == start
end

-- What a worker that is up says of itself; nothing of one that is gone, and of a record that no worker wrote.
local function presence(worker)
  if redis.call('HSTRLEN', WORKERS, worker) > MAX_RECORD_BYTES then
    return nil
  end
  local readable, said = pcall(cjson.decode, redis.call('HGET', WORKERS, worker) or '')
  if readable and type(said) == 'table' and type(said.seen) == 'number' and math.abs(now() - said.seen) < STALE_SECONDS then
    return said
  end
end

-- Fails before anything is written if this user may not publish: nothing takes back what a script has written.
local function must_be_able_to_tell()
  publish(LEDGER, ID, redis.call('HGET', LEDGER, 'listener'), true, 'moved', '')
end

-- Move shards, all of them from one state to another.
local function move(indices, from, to)
  if #indices == 0 then
    return
  end
  assert(LEGAL[from .. '>' .. to], 'no shard moves from ' .. from .. ' to ' .. to)
  local states = {}
  for _, index in ipairs(indices) do
    table.insert(states, index .. ':state')
    table.insert(states, to)
  end
  redis.call('HSET', SHARDS, unpack(states))
  count('n:' .. from, -#indices)
  count('n:' .. to, #indices)
end

