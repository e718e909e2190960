-- Store a shard's result. ARGV[2]: shard index. ARGV[3]: who has it. ARGV[4]: SUCCESS or FAILURE.
-- ARGV[5]: the result, or nothing. ARGV[6]: the error, for the user; empty on success. ARGV[7]: the core seconds that the
-- attempt took. ARGV[8]: how many circuits ran whole. Then, for each circuit of which a block of shots ran: its index, and of
-- how many blocks it consists. A result takes the place of the one that the shard had before `retry`, and so do these numbers.
-- Returns 1; or 0, and stores nothing, if the shard is over (cancelled, say) or somebody else has it.

local index, owner, to = ARGV[2], ARGV[3], ARGV[4]
local of = index .. ':'
local was = redis.call('HMGET', SHARDS, of .. 'owner', of .. 'state', of .. 'stopping', of .. 'counted', of .. 'circuit',
  of .. 'cause', of .. 'excused')
if was[1] ~= owner then
  return 0
end
if was[2] ~= 'STARTED' then
  if was[3] then
    write_though_full()
    use(ARGV[7])
    stopped(index)
  end
  return 0
end
assert(to == 'SUCCESS' or to == 'FAILURE', 'a result is no ' .. to)
local set, gone, done = { of .. 'state', to }, {}, 0
for at, field in pairs({ [5] = 'circuit', [6] = 'cause', [7] = 'excused' }) do
  if was[at] then
    table.insert(gone, of .. field)
  end
end
if ARGV[5] == '' then
  -- A shard that is run again keeps what it gave the time before.
  write_though_full()
else
  redis.call('HSET', LEDGER .. ':results', index, ARGV[5])
  local function tally(counted, sign)
    done = done + sign * tonumber(counted[1])
    for at = 2, #counted, 2 do
      local ran = redis.call('HINCRBY', SHARDS, 'blocks:' .. counted[at], sign)
      if ran == tonumber(counted[at + 1]) + math.min(sign, 0) then
        done = done + sign
      end
    end
  end
  if was[4] then
    tally(cjson.decode(was[4]), -1)
  end
  local counted = {}
  for at = 8, #ARGV do
    table.insert(counted, ARGV[at])
  end
  tally(counted, 1)
  if to == 'FAILURE' then
    table.insert(set, of .. 'counted')
    table.insert(set, cjson.encode(counted))
  elseif was[4] then
    table.insert(gone, of .. 'counted')
  end
end
if to == 'FAILURE' then
  redis.call('HSETNX', LEDGER, 'error', ARGV[6])
  if ARGV[5] == '' then
    table.insert(set, of .. 'error')
    table.insert(set, ARGV[6])
  end
end
redis.call('HSET', SHARDS, unpack(set))
if #gone > 0 then
  redis.call('HDEL', SHARDS, unpack(gone))
end
redis.call('ZREM', STARTED, ID .. '.' .. index)
local known = redis.call('HMGET', LEDGER, 'n:PENDING', 'n:STARTED', 'stopping', 'n:' .. to, 'circuits_done', 'listener',
  'heard', 'moves', 'shards', 'usage', 'billed', 'tenant', 'began', 'limited')
if known[14] then
  let_next({ ID .. '.' .. index })
end
local started, ended = tonumber(known[2]) - 1, tonumber(known[4] or 0) + 1
-- Text: Redis takes long to make some of a number.
local format = string.format
local usage = format('%.6f', (tonumber(known[10] or 0) or 0) + tonumber(ARGV[7]))
local counts = { 'n:STARTED', format('%d', started), 'n:' .. to, format('%d', ended), 'circuits_done',
  format('%d', tonumber(known[5] or 0) + done), 'usage', usage }
if ended % BILLED_EVERY == 0 then
  counts[9], counts[10] = 'billed', bill(known[12], usage, known[11])
end
redis.call('HSET', LEDGER, unpack(counts))
local told
if known[9] == '1' and to == 'SUCCESS' and #ARGV[5] <= TOLD_BYTES then
  told = string.format(' %s %s ', known[13] or '', usage) .. ARGV[5]
end
tell_of(known[1], started, known[3], known[6], known[7], known[8], told)
return 1
