-- Note which circuit of a shard is run next. ARGV[3]: shard index. ARGV[4]: who took it. ARGV[5]: the circuit.
-- Returns how many processes died while they ran it; nothing if the shard is no longer the owner's.

local index, circuit = ARGV[3], ARGV[5]
if get(index, 'state') ~= 'STARTED' or get(index, 'owner') ~= ARGV[4] then
  return false
end
write_though_full()
put(index, 'circuit', circuit)
return tonumber(get(index, 'deaths:' .. circuit) or 0)
