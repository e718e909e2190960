-- SPDX-License-Identifier: Apache-2.0
-- In front of the scripts that work on one job. KEYS[1]: its ledger. ARGV[1]: its reference.
-- The constants of qfleet.wire.lua stand before this text.
--
-- A job whose ledger has no `tiers` is one of version 0.1: a message on the queue names each of its shards, and ACTIVE
-- has its id. The shards of the others are chosen by pick.lua.

local LEDGER, ID = KEYS[1], ARGV[1]
local SHARDS = LEDGER .. ':shards'
-- What stands before all keys of its tenant; its id there.
local HOME, NAME = string.match(LEDGER, '^(.-)job:(.*)$')

local clock
local function now()
  clock = clock or redis.call('TIME')
  return tonumber(clock[1]) + tonumber(clock[2]) / 1e6
end

-- All keys of the job: they expire together.
local function all_keys()
  return { LEDGER, SHARDS, LEDGER .. ':work', LEDGER .. ':programs', LEDGER .. ':results' }
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

-- Lets the rest of the script write although Redis is full: only the first write of a script is ever refused for that,
-- and one that takes no memory isn't. What follows must be small.
local function write_though_full()
  redis.call('HDEL', SHARDS, '')
end

-- Shards run no longer, and so their tenant may run others if it was at its quota: a token for each tier where some wait.
local function let_next(tasks)
  local tenant = string.match(ID, '^(.*)/')
  if not tenant or redis.call('SREM', RUNNING .. tenant, unpack(tasks)) == 0 then
    return
  end
  for tier = 0, TIERS - 1 do
    if redis.call('ZSCORE', READY .. tier, tenant) then
      redis.call('LPUSH', TOKENS .. tier, '')
    end
  end
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
  let_next(tasks)
end

-- The job counts no longer among what its tenant has queued.
local function uncount()
  local counted = redis.call('HMGET', LEDGER, 'counted', 'tenant')
  local circuits, bytes = string.match(counted[1] or '', '^(%d+) (%d+)$')
  if circuits then
    for name, number in pairs({ circuits = circuits, bytes = bytes }) do
      redis.call('HINCRBY', QUEUED, name .. ':' .. counted[2], string.format('%d', -tonumber(number)))
    end
    redis.call('HDEL', LEDGER, 'counted')
  end
end

-- Add to what the job has used: core seconds, as text; none if nobody measured them.
local function use(seconds)
  redis.pcall('HINCRBYFLOAT', LEDGER, 'usage', seconds or '0')
end

-- Add to its tenant's account what the job has used since that was last done. Returns what it has used, to be noted as
-- `billed`: what it had before, if this user may not write the account, or it can't be read.
local function bill(tenant, usage, billed)
  local more = (tonumber(usage or 0) or 0) - (tonumber(billed or 0) or 0)
  if more > 0 and (tenant or '') ~= '' then
    local answer = redis.pcall('HINCRBYFLOAT', USED, tenant, string.format('%.6f', more))
    if type(answer) == 'table' and answer.err then
      return billed or '0'
    end
  end
  return usage or '0'
end

-- Once no shard is left to run: note the time, and let all keys of the job expire together. Returns the time, as text.
local function end_job()
  local job = redis.call('HMGET', LEDGER, 'retention', 'held', 'tenant', 'usage', 'billed', 'counted')
  local ended = string.format('%.6f', now())
  redis.call('HSET', LEDGER, 'ended', ended, 'billed', bill(job[3], job[4], job[5]))
  if job[2] == 'paused' then
    -- So that a retry runs.
    redis.call('HDEL', LEDGER, 'held')
  end
  for _, key in ipairs(all_keys()) do
    redis.call('EXPIRE', key, job[1])
  end
  if job[6] then
    uncount()
  end
  redis.call('UNLINK', LEDGER .. ':again')
  redis.call('ZREM', UNFINISHED, ID)
  redis.call('ZREM', ACTIVE, ID)
  return ended
end

-- After one or more moves: end the job if they were the last, and tell who waits. The arguments are those fields of the
-- ledger: the numbers of shards that wait, run and are being stopped, the client that sent the job, whether others listen,
-- and whether each move is to be told. `told`: what the client is told beside the time of the end; nothing if it must read.
local function tell_of(pending, started, stopping, listener, heard, moves, told)
  if tonumber(pending or 0) + tonumber(started or 0) + tonumber(stopping or 0) == 0 then
    local ended = end_job()
    publish(LEDGER, ID, listener, heard, 'ended', told and ' ' .. ended .. told or '')
  elseif moves or not listener then
    publish(LEDGER, ID, listener, heard, 'moved', '')
  end
end

local function tell()
  tell_of(unpack(redis.call('HMGET', LEDGER, 'n:PENDING', 'n:STARTED', 'stopping', 'listener', 'heard', 'moves')))
end

-- A cancelled shard's process has stopped.
local function stopped(index)
  drop(index, 'stopping')
  forget({ index })
  count('stopping', -1)
  tell()
end

