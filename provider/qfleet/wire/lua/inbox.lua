-- SPDX-License-Identifier: Apache-2.0
-- Tell what is at the heads of some inboxes, oldest first; nothing is taken out but what no client writes. Each tenant
-- has its turn: which inboxes are looked at is drawn. Returns 1 if there may be more, else 0; then pairs of a tenant and an
-- entry.

-- The bytes of memory that a key takes; 0 on a server that doesn't tell.
local function bytes_of(key, samples)
  local bytes = redis.pcall('MEMORY', 'USAGE', key, 'SAMPLES', samples)
  return type(bytes) == 'number' and bytes or 0
end

redis.call('DEL', BELL)
local number, at_once = redis.call('SCARD', INBOXES), INBOXES_AT_ONCE
if bytes_of(INBOXES, at_once) > number * 1000 + 100000 then
  -- Names that no tenant has, some of them very long: not many of these are read at once.
  at_once = 1
end
local answer, has_more = { 0 }, number > at_once
for _, tenant in ipairs(redis.call('SRANDMEMBER', INBOXES, at_once)) do
  local entries = {}
  if #tenant <= 64 and string.match(tenant, '^[%w._@-]+$') then
    local inbox = PREFIX .. '{' .. tenant .. '}:in:box'
    if redis.call('TYPE', inbox).ok == 'list' and bytes_of(inbox, 0) <= MOST_INBOX_BYTES then
      entries = redis.call('LRANGE', inbox, -WISHES_AT_ONCE, -1)
    else
      -- Its tenant wrote something else there, or what would take long to read.
      redis.call('UNLINK', inbox)
    end
    for at = #entries, 1, -1 do
      if #entries[at] > MOST_WISH_LETTERS then
        redis.call('LREM', inbox, -1, entries[at])
      else
        table.insert(answer, tenant)
        table.insert(answer, entries[at])
      end
    end
    has_more = has_more or #entries == WISHES_AT_ONCE
  end
  if #entries == 0 then
    redis.call('SREM', INBOXES, tenant)
  end
end
if has_more then
  answer[1] = 1
end
return answer
