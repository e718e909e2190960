-- Stop every shard that isn't over. Returns the indices of the shards that were stopped.

write_though_full()
local stopped = {}
local total = tonumber(redis.call('HGET', LEDGER, 'shards') or 0)
for index = 0, total - 1 do
  local state = state_of(index)
  if not FINAL[state] then
    move(index, state, 'REVOKED')
    table.insert(stopped, index)
  end
end
if #stopped > 0 then
  tell()
end
return stopped
