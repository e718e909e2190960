-- Note which circuit of a shard is run next. ARGV[2]: shard index. ARGV[3]: who took it. ARGV[4]: the circuit.
-- Returns how many processes died while they ran it; nothing if the shard is no longer the owner's.

local index, circuit = ARGV[2], ARGV[4]
if get(index, 'state') ~= 'STARTED' or get(index, 'owner') ~= ARGV[3] then
  return false
end
write_though_full()
put(index, 'circuit', circuit)
return tonumber(get(index, 'deaths:' .. circuit) or 0)
