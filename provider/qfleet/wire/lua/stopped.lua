-- The process that ran a shard is dead, or has dropped it. ARGV[2]: shard index. ARGV[3]: the owner, or the start of its
-- name. ARGV[4]: why it died, for the user, unless the shard was cancelled. ARGV[5]: the core seconds that the attempt took.
-- Returns 0 if nothing waits again; 1; or 2 if the caller must send a message for the shard.

local index = ARGV[2]
if not has(index, ARGV[3]) then
  return 0
end
write_though_full()
if get(index, 'stopping') then
  use(ARGV[5])
  stopped(index)
elseif get(index, 'state') == 'STARTED' and ARGV[4] ~= '' then
  -- Any worker may have it now, on this machine or another.
  put(index, 'cause', ARGV[4])
  use(ARGV[5])
  drop(index, 'owner', 'missed', 'excused')
  move({ index }, 'STARTED', 'PENDING')
  forget({ index })
  local how = back({ index })
  tell()
  return how
end
return 0
