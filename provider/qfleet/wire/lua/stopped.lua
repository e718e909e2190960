-- The process that ran a shard is dead, or has dropped it. ARGV[2]: shard index. ARGV[3]: the start of its owner's name.
-- ARGV[4]: why it died, for the user, unless the shard was cancelled.

local index = ARGV[2]
local owner = get(index, 'owner') or ''
if string.sub(owner, 1, #ARGV[3]) ~= ARGV[3] then
  return
end
write_though_full()
if get(index, 'stopping') then
  stopped(index)
elseif get(index, 'state') == 'STARTED' and ARGV[4] ~= '' then
  -- Any worker may have it now, on this machine or another.
  put(index, 'cause', ARGV[4])
  drop(index, 'owner', 'missed', 'excused')
  move(index, 'STARTED', 'PENDING')
  tell()
end
