-- SPDX-License-Identifier: Apache-2.0
-- In front of every script. KEYS: the job's ledger, shards, work, programs, results (qfleet.wire.keys.of_job).
-- ARGV[1]: job id. ARGV[2]: prefix of Celery's records. ARGV[3]: the job's channel.
-- ARGV[4]: the start of the Celery record of the state that shards move to (qfleet.wire.state.celery_meta_head).
-- ARGV[5]: the time, in seconds since the epoch; not from TIME, which Redis before 7 lets no script read that writes.

local LEDGER, SHARDS, WORK, PROGRAMS, RESULTS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local FINAL = { SUCCESS = true, FAILURE = true, REVOKED = true }

local function task_id(index)
  return ARGV[1] .. '.' .. index
end

local function state_of(index)
  return redis.call('HGET', SHARDS, index .. ':state')
end

-- Lets the rest of the script write although Redis is full: only the first write of a script is ever refused for that,
-- and one that takes no memory isn't. What follows must be small.
local function write_though_full()
  redis.call('HDEL', SHARDS, '')
end

-- Once no shard is left to run: note the time, and let all keys of the job expire together.
local function end_job(total)
  local retention = redis.call('HGET', LEDGER, 'retention')
  redis.call('HSET', LEDGER, 'ended', ARGV[5])
  for _, key in ipairs(KEYS) do
    redis.call('EXPIRE', key, retention)
  end
  for index = 0, total - 1 do
    redis.call('EXPIRE', ARGV[2] .. task_id(index), retention)
  end
end

-- Move a shard to another state, in the ledger and in Celery's record alike.
local function move(index, from, to)
  redis.call('HSET', SHARDS, index .. ':state', to)
  redis.call('HINCRBY', LEDGER, 'n:' .. from, -1)
  redis.call('HINCRBY', LEDGER, 'n:' .. to, 1)
  local record = ARGV[4] .. task_id(index) .. '"}'
  redis.call('SET', ARGV[2] .. task_id(index), record)
  redis.call('PUBLISH', ARGV[2] .. task_id(index), record)
end

-- After one or more moves: end the job if they were the last, and tell who waits.
local function tell()
  local left = 0
  for _, field in ipairs({ 'n:PENDING', 'n:STARTED' }) do
    left = left + tonumber(redis.call('HGET', LEDGER, field) or 0)
  end
  if left == 0 then
    end_job(tonumber(redis.call('HGET', LEDGER, 'shards')))
    redis.call('PUBLISH', ARGV[3], 'ended')
  else
    redis.call('PUBLISH', ARGV[3], 'moved')
  end
end
