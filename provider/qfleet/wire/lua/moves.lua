-- SPDX-License-Identifier: Apache-2.0
-- In front of the scripts that move shards of one job. KEYS[1]: its ledger. ARGV[1]: its id.
-- LEGAL, the moves that there are, and the constants of qfleet.wire.lua stand before this text.
--
-- A job whose ledger has no `tiers` is one of version 0.1: a message on the queue names each of its shards, and ACTIVE has
-- its id. The shards of the others are chosen by pick.lua.

local LEDGER, ID = KEYS[1], ARGV[1]
local SHARDS, WORK, PROGRAMS, RESULTS = LEDGER .. ':shards', LEDGER .. ':work', LEDGER .. ':programs', LEDGER .. ':results'
local AGAIN, EVENTS = LEDGER .. ':again', LEDGER .. ':events'
local FINAL = { SUCCESS = true, FAILURE = true, REVOKED = true }

local clock
local function now()
  clock = clock or redis.call('TIME')
  return tonumber(clock[1]) + tonumber(clock[2]) / 1e6
end

local function get(index, field)
  return redis.call('HGET', SHARDS, index .. ':' .. field)
end

local function put(index, field, value)
  redis.call('HSET', SHARDS, index .. ':' .. field, value)
end

local function drop(index, ...)
  local fields = {}
  for at, field in ipairs({ ... }) do
    fields[at] = index .. ':' .. field
  end
  redis.call('HDEL', SHARDS, unpack(fields))
end

local function count(name, by)
  return redis.call('HINCRBY', LEDGER, name, by)
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
  redis.call('PUBLISH', EVENTS, 'moved')
end

-- Lets the rest of the script write although Redis is full: only the first write of a script is ever refused for that,
-- and one that takes no memory isn't. What follows must be small.
local function write_though_full()
  redis.call('HDEL', SHARDS, '')
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

-- Shards run no longer: STARTED, the list of those that run or are being stopped, forgets them.
local function forget(indices)
  if #indices == 0 then
    return
  end
  local tasks = {}
  for at, index in ipairs(indices) do
    tasks[at] = ID .. '.' .. index
  end
  redis.call('ZREM', STARTED, unpack(tasks))
end

-- Once no shard is left to run: note the time, and let all keys of the job expire together.
local function end_job()
  local retention = redis.call('HGET', LEDGER, 'retention')
  redis.call('HSET', LEDGER, 'ended', string.format('%.6f', now()))
  for _, key in ipairs({ LEDGER, SHARDS, WORK, PROGRAMS, RESULTS }) do
    redis.call('EXPIRE', key, retention)
  end
  redis.call('UNLINK', AGAIN)
  redis.call('ZREM', UNFINISHED, ID)
  redis.call('ZREM', ACTIVE, ID)
end

-- After one or more moves: end the job if they were the last, and tell who waits.
local function tell()
  local known = redis.call('HMGET', LEDGER, 'n:PENDING', 'n:STARTED', 'stopping', 'moves', 'tiers')
  if tonumber(known[1] or 0) + tonumber(known[2] or 0) + tonumber(known[3] or 0) == 0 then
    end_job()
    redis.call('PUBLISH', EVENTS, 'ended')
  elseif known[4] or not known[5] then
    redis.call('PUBLISH', EVENTS, 'moved')
  end
end

-- A cancelled shard's process has stopped.
local function stopped(index)
  drop(index, 'stopping')
  forget({ index })
  count('stopping', -1)
  tell()
end
