-- SPDX-License-Identifier: Apache-2.0
-- Tell what is at the heads of some inboxes, oldest first; nothing is taken out but what no client writes. Each tenant
-- has its turn: which inboxes are looked at is drawn. Returns 1 if there may be more, else 0; then pairs of a tenant and an
-- entry.

redis.call('DEL', BELL)
local answer, has_more = { 0 }, redis.call('SCARD', INBOXES) > INBOXES_AT_ONCE
for _, tenant in ipairs(redis.call('SRANDMEMBER', INBOXES, INBOXES_AT_ONCE)) do
  local entries = {}
  if #tenant <= 64 and string.match(tenant, '^[%w._@-]+$') then
    local inbox = PREFIX .. '{' .. tenant .. '}:in:box'
    entries = redis.pcall('LRANGE', inbox, -WISHES_AT_ONCE, -1)
    if entries.err then
      -- Its tenant wrote something else there.
      redis.call('UNLINK', inbox)
      entries = {}
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
