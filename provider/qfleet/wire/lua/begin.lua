-- Note which circuit of a shard is run next. ARGV[5]: shard index. ARGV[6]: who took it. ARGV[7]: the circuit.
-- Returns how many processes died while they ran it; nothing if the shard is no longer the owner's.

local index, circuit = ARGV[5], ARGV[7]
if get(index, 'state') ~= 'STARTED' or get(index, 'owner') ~= ARGV[6] then
  return false
end
write_though_full()
put(index, 'circuit', circuit)
return tonumber(get(index, 'deaths:' .. circuit) or 0)
