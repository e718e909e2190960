-- Which shards of a job of version 0.1 lost their message, or their process? ARGV[2]: seconds that one may look lost.
-- ARGV[3]: of all the jobs of which a shard was taken, when the last one began to be published; 0 if there is none yet.
-- Returns when this job began to be published, as text, if a shard of it was taken, else '0'; and the indices of shards to
-- publish again.
--
-- A shard that is not over is accounted for if a worker that is up says that it holds it. Otherwise it is lost if it was
-- STARTED, or if its message must have left the queue: the queue is empty, or a message behind it was taken. That is one
-- of a later shard, or of a job that began to be published after this one was published whole. A worker says what it
-- holds every few seconds, so a shard has to look lost for a while; longer each time, since what is published again may
-- have to wait in the queue.

local patience, last_taken = tonumber(ARGV[2]), tonumber(ARGV[3])
local total = num_shards()
if total == 0 then
  redis.call('ZREM', ACTIVE, ID)
  return { '0' }
end
local left_queue = redis.call('LLEN', QUEUE) == 0
local created, published = redis.call('HGET', LEDGER, 'created'), redis.call('HGET', LEDGER, 'published')
-- A client's clock may be ahead. Clients of 0.1 wrote 1 for "published", and no time.
local began = math.min(tonumber(created), now())
if not published then
  -- Its client is at it, or gave up or died while it was.
  left_queue = true
  patience = math.max(patience, UNPUBLISHED_SECONDS)
elseif published == '1' then
  left_queue = left_queue or last_taken > began
else
  began = math.min(began, tonumber(published))
  left_queue = left_queue or last_taken > tonumber(published)
end
if not left_queue and tonumber(redis.call('HGET', LEDGER, 'n:PENDING')) == total then
  -- A whole job that waits: most of them, where the queue is long. Redis waits for this script.
  return { '0' }
end
local held = {}
for _, worker in ipairs(redis.call('HKEYS', WORKERS)) do
  local said = presence(worker)
  if said then
    local readable, holds = pcall(cjson.decode, redis.call('HGET', HOLDS, worker) or '')
    -- Workers of version 0.1 say it in their record.
    for _, ids in ipairs({ said.holds or {}, readable and holds or {} }) do
      for _, id in ipairs(type(ids) == 'table' and ids or {}) do
        held[id] = true
      end
    end
  end
end
local taken = false
local answer = { '0' }
write_though_full()
for index = total - 1, 0, -1 do
  local state = get(index, 'state')
  local stopping = state == 'REVOKED' and get(index, 'stopping')
  if state ~= 'PENDING' then
    taken = true
  end
  if stopping or not FINAL[state] then
    if held[ID .. '.' .. index] or (state == 'PENDING' and not taken and not left_queue) then
      drop(index, 'missed')
    else
      local missed = tonumber(get(index, 'missed') or 0)
      local again = tonumber(get(index, 'again') or 0)
      if missed == 0 then
        put(index, 'missed', string.format('%.6f', now()))
      elseif now() - missed > patience * 2 ^ math.min(again, 7) then
        drop(index, 'missed')
        if stopping then
          stopped(index)
        else
          put(index, 'again', again + 1)
          if state == 'STARTED' then
            drop(index, 'owner')
            move({ index }, 'STARTED', 'PENDING')
          end
          table.insert(answer, index)
        end
      end
    end
  end
end
if taken then
  answer[1] = string.format('%.6f', began)
end
if #answer > 1 then
  tell()
end
return answer
