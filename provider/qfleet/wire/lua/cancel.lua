-- Stop every shard that isn't over. Returns the indices of the shards that were stopped.
-- The job isn't over before the processes that run one of them are.

local total = num_shards()
must_be_able_to_tell()
write_though_full()
local ended = {}
for index = 0, total - 1 do
  local state = get(index, 'state')
  if not FINAL[state] then
    if state == 'STARTED' and presence(worker_of(get(index, 'owner'))) then
      put(index, 'stopping', 1)
      count('stopping', 1)
    end
    move(index, state, 'REVOKED')
    table.insert(ended, index)
  end
end
if #ended > 0 then
  tell()
end
return ended
