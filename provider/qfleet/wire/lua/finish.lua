-- Store a shard's result. ARGV[2]: shard index. ARGV[3]: who took it. ARGV[4]: SUCCESS or FAILURE.
-- ARGV[5]: the result, or nothing. ARGV[6]: the error, for the user; empty on success. ARGV[7]: how many circuits ran whole.
-- Then, for each circuit of which a block of shots ran: its index, and of how many blocks it consists. A result takes the
-- place of the one that the shard had before `retry`, and so do these numbers.
-- Returns 1; or 0, and stores nothing, if the shard is over (cancelled, say) or somebody else took it since.

local index, owner, to = ARGV[2], ARGV[3], ARGV[4]
if get(index, 'owner') ~= owner then
  return 0
end
if get(index, 'state') ~= 'STARTED' then
  if get(index, 'stopping') then
    write_though_full()
    stopped(index)
  end
  return 0
end
if ARGV[5] == '' then
  -- A shard that is run again keeps what it gave the time before.
  write_though_full()
else
  redis.call('HSET', RESULTS, index, ARGV[5])
  local done = 0
  local function tally(counted, sign)
    done = done + sign * tonumber(counted[1])
    for at = 2, #counted, 2 do
      local ran = redis.call('HINCRBY', SHARDS, 'blocks:' .. counted[at], sign)
      if ran == tonumber(counted[at + 1]) + math.min(sign, 0) then
        done = done + sign
      end
    end
  end
  local before = get(index, 'counted')
  if before then
    tally(cjson.decode(before), -1)
  end
  local counted = {}
  for at = 7, #ARGV do
    table.insert(counted, ARGV[at])
  end
  tally(counted, 1)
  count('circuits_done', done)
  if to == 'FAILURE' then
    put(index, 'counted', cjson.encode(counted))
  else
    drop(index, 'counted')
  end
end
if to == 'FAILURE' then
  redis.call('HSETNX', LEDGER, 'error', ARGV[6])
end
drop(index, 'circuit', 'cause', 'excused')
move(index, 'STARTED', to)
tell()
return 1
