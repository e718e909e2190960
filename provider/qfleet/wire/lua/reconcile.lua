-- Which shards of a job have lost their message, or their process? ARGV[5]: seconds that one may look lost.
-- ARGV[6]: 1 if shards of a job that was published later have been taken.
-- Returns whether any shard was taken yet, and the indices of shards to publish again.
--
-- A shard that is not over is accounted for if a worker that is up says that it holds it. Otherwise it is lost if it was
-- STARTED, or if its message must have left the queue: the queue is empty, or a message behind it was taken. A worker
-- says what it holds every few seconds, so a shard has to look lost for a while; longer each time, since what is
-- published again may have to wait in the queue.

local patience, taken = tonumber(ARGV[5]), ARGV[6] == '1'
local total = tonumber(redis.call('HGET', LEDGER, 'shards') or 0)
if total == 0 then
  redis.call('ZREM', ACTIVE, ARGV[1])
  return { 0 }
end
local left_queue = redis.call('LLEN', QUEUE) == 0
if not redis.call('HGET', LEDGER, 'published') then
  -- Its client is at it, or gave up or died while it was.
  left_queue = true
  patience = math.max(patience, UNPUBLISHED_SECONDS)
end
if not left_queue and not taken and tonumber(redis.call('HGET', LEDGER, 'n:PENDING')) == total then
  -- A whole job that waits: most of them, where the queue is long. Redis waits for this script.
  return { 0 }
end
local held = {}
for _, worker in ipairs(redis.call('HKEYS', WORKERS)) do
  local said = presence(worker)
  for _, id in ipairs(said and said.holds or {}) do
    held[id] = true
  end
end
local answer = { 0 }
write_though_full()
for index = total - 1, 0, -1 do
  local state = get(index, 'state')
  local stopping = state == 'REVOKED' and get(index, 'stopping')
  if state ~= 'PENDING' then
    taken = true
    answer[1] = 1
  end
  if stopping or not FINAL[state] then
    if held[task_id(index)] or (state == 'PENDING' and not taken and not left_queue) then
      drop(index, 'missed')
    else
      local missed = tonumber(get(index, 'missed') or 0)
      local again = tonumber(get(index, 'again') or 0)
      if missed == 0 then
        put(index, 'missed', string.format('%.6f', NOW))
      elseif NOW - missed > patience * 2 ^ math.min(again, 7) then
        drop(index, 'missed')
        if stopping then
          stopped(index)
        else
          put(index, 'again', again + 1)
          if state == 'STARTED' then
            drop(index, 'owner')
            move(index, 'STARTED', 'PENDING')
          end
          table.insert(answer, index)
        end
      end
    end
  end
end
if #answer > 1 then
  tell()
end
return answer
