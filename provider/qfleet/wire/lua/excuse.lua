-- A worker was told to stop while it runs a shard, and may be killed before it can hand the shard back. If so, that was
-- no attempt: the shard has nothing to do with it. ARGV[2]: shard index. ARGV[3]: the owner, or the start of its name.

local index = ARGV[2]
if get(index, 'state') == 'STARTED' and has(index, ARGV[3]) then
  write_though_full()
  put(index, 'excused', 1)
end
