-- Note which circuit of a shard is run next. ARGV[2]: shard index. ARGV[3]: who took it. ARGV[4]: the circuit.
-- Returns how many processes died while they ran it; nothing if the shard is no longer the owner's.

local index, circuit = ARGV[2], ARGV[4]
local of = index .. ':'
local known = redis.call('HMGET', SHARDS, of .. 'state', of .. 'owner', of .. 'deaths:' .. circuit)
if known[1] ~= 'STARTED' or known[2] ~= ARGV[3] then
  return false
end
write_though_full()
put(index, 'circuit', circuit)
return tonumber(known[3] or 0)
