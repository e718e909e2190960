-- Let every shard that failed run again. Returns their indices. What its circuits gave stays until it has run.

local total = num_shards()
must_be_able_to_tell()
local again = {}
for index = 0, total - 1 do
  if get(index, 'state') == 'FAILURE' then
    drop(index, 'attempts', 'owner', 'cause', 'missed', 'again', 'excused')
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
  for _, key in ipairs({ LEDGER, SHARDS, WORK, PROGRAMS, RESULTS }) do
    redis.call('PERSIST', key)
  end
  redis.call('ZADD', ACTIVE, redis.call('HGET', LEDGER, 'created'), ID)
  tell()
end
return again
