-- No worker holds these shards of a job any more. ARGV[2] on: pairs of an index and its owner, as they were when the
-- caller looked. Returns how many wait again.

write_though_full()
local fields = {}
for at = 2, #ARGV, 2 do
  local of = ARGV[at] .. ':'
  for _, field in ipairs({ 'state', 'owner', 'stopping' }) do
    table.insert(fields, of .. field)
  end
end
local known, waiting, over = redis.call('HMGET', SHARDS, unpack(fields)), {}, {}
for at = 2, #ARGV, 2 do
  local index, state, owner, stops = ARGV[at], unpack(known, 3 * at / 2 - 2, 3 * at / 2)
  if stops then
    stopped(index)
  elseif state ~= 'STARTED' then
    table.insert(over, index)
  elseif owner == ARGV[at + 1] then
    drop(index, 'owner')
    table.insert(waiting, index)
  end
end
move(waiting, 'STARTED', 'PENDING')
forget(over)
if #waiting > 0 then
  forget(waiting)
  back(waiting)
  tell()
end
return #waiting
