-- SPDX-License-Identifier: Apache-2.0
-- Renew a worker's presence, by the clock of Redis. KEYS[1]: the workers. KEYS[2]: the names of those that shall take no
-- more shards. KEYS[3]: the shards that workers hold. ARGV[1]: its name. ARGV[2]: what it says of itself, JSON up to the
-- time at which it was seen. ARGV[3]: the task ids of the shards that it holds, JSON. Returns that time, as text; and 1 if
-- it shall take no more shards, else 0.

local clock = redis.call('TIME')
local time = clock[1] .. '.' .. string.format('%06d', clock[2])
-- An error, if another program wrote to the key, is no reason to look dead.
local draining = redis.pcall('SISMEMBER', KEYS[2], ARGV[1]) == 1
-- A full Redis refuses only the first write of a script; one that takes no memory isn't refused.
redis.call('HDEL', KEYS[1], '')
redis.call('HSET', KEYS[3], ARGV[1], ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. time .. (draining and ',"draining":true}' or '}'))
return { time, draining and 1 or 0 }
