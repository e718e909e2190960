-- SPDX-License-Identifier: Apache-2.0
-- In front of the scripts that move shards of one job. KEYS[1]: its ledger. ARGV[1]: its id.
-- LEGAL, the moves that there are, and the constants of qfleet.wire.lua stand before this text.

local LEDGER, ID = KEYS[1], ARGV[1]
local SHARDS, WORK, PROGRAMS, RESULTS = LEDGER .. ':shards', LEDGER .. ':work', LEDGER .. ':programs', LEDGER .. ':results'
local EVENTS = LEDGER .. ':events'
local FINAL = { SUCCESS = true, FAILURE = true, REVOKED = true }

local clock = redis.call('TIME')
local NOW = tonumber(clock[1]) + tonumber(clock[2]) / 1e6

local function task_id(index)
  return ID .. '.' .. index
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

-- The worker that an owner belongs to: "<worker>/<process>/<token>".
local function worker_of(owner)
  return string.match(owner or '', '^(.*)/%d+/%w+$') or ''
end

-- What a worker that is up says of itself; nothing of one that is gone, and of a record that no worker wrote.
local function presence(worker)
  if redis.call('HSTRLEN', WORKERS, worker) > MAX_RECORD_BYTES then
    return nil
  end
  local readable, said = pcall(cjson.decode, redis.call('HGET', WORKERS, worker) or '')
  if readable and type(said) == 'table' and type(said.seen) == 'number' and math.abs(NOW - said.seen) < STALE_SECONDS then
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

-- Move a shard to another state.
local function move(index, from, to)
  assert(LEGAL[from .. '>' .. to], 'shard ' .. index .. ' does not move from ' .. from .. ' to ' .. to)
  put(index, 'state', to)
  count('n:' .. from, -1)
  count('n:' .. to, 1)
end

-- Once no shard is left to run: note the time, and let all keys of the job expire together.
local function end_job()
  local retention = redis.call('HGET', LEDGER, 'retention')
  redis.call('HSET', LEDGER, 'ended', string.format('%.6f', NOW))
  for _, key in ipairs({ LEDGER, SHARDS, WORK, PROGRAMS, RESULTS }) do
    redis.call('EXPIRE', key, retention)
  end
  redis.call('ZREM', ACTIVE, ID)
end

-- After one or more moves: end the job if they were the last, and tell who waits.
local function tell()
  local left = 0
  for _, number in ipairs(redis.call('HMGET', LEDGER, 'n:PENDING', 'n:STARTED', 'stopping')) do
    left = left + tonumber(number or 0)
  end
  if left == 0 then
    end_job()
    redis.call('PUBLISH', EVENTS, 'ended')
  else
    redis.call('PUBLISH', EVENTS, 'moved')
  end
end

-- A cancelled shard's process has stopped.
local function stopped(index)
  drop(index, 'stopping')
  count('stopping', -1)
  tell()
end
