-- Let every shard that failed run again. Returns their indices.

local total = num_shards()
must_be_able_to_tell()
local again = {}
for index = 0, total - 1 do
  if get(index, 'state') == 'FAILURE' then
    local counted = cjson.decode(get(index, 'counted') or '["0"]')
    local done = tonumber(counted[1])
    for at = 2, #counted, 2 do
      if redis.call('HINCRBY', SHARDS, 'blocks:' .. counted[at], -1) == tonumber(counted[at + 1]) - 1 then
        done = done + 1
      end
    end
    -- In Lua, -done may be a negative zero, which Redis takes for no whole number.
    count('circuits_done', 0 - done)
    redis.call('HDEL', RESULTS, index)
    drop(index, 'counted', 'attempts', 'owner', 'cause', 'missed', 'again', 'excused')
    move(index, 'FAILURE', 'PENDING')
    table.insert(again, index)
  end
end
if #again > 0 then
  for _, field in ipairs(redis.call('HKEYS', SHARDS)) do
    if string.find(field, ':deaths:', 1, true) then
      redis.call('HDEL', SHARDS, field)
    end
  end
  -- Their messages go on the queue next.
  redis.call('HDEL', LEDGER, 'error', 'ended', 'published')
  for at = 1, 5 do
    redis.call('PERSIST', KEYS[at])
  end
  for index = 0, total - 1 do
    redis.call('PERSIST', ARGV[2] .. task_id(index))
  end
  redis.call('ZADD', ACTIVE, redis.call('HGET', LEDGER, 'created'), ARGV[1])
  tell()
end
return again
