-- The process that ran a shard is dead, or has dropped it. ARGV[5]: shard index. ARGV[6]: its worker.
-- ARGV[7]: why it died, for the user, unless the shard was cancelled.

local index = ARGV[5]
if worker_of(get(index, 'owner')) ~= ARGV[6] then
  return
end
write_though_full()
if get(index, 'stopping') then
  stopped(index)
elseif get(index, 'state') == 'STARTED' and ARGV[7] ~= '' then
  put(index, 'cause', ARGV[7])
end
