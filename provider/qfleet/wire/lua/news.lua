-- SPDX-License-Identifier: Apache-2.0
-- In front of the scripts that move shards. TOLD_BYTES stands before this text.

-- Tell of a job: the client that sent it, and others if they listen. `what`: 'moved' or 'ended'. `more`: what follows in the
-- message to the client. A job of version 0.1 names no client.
local function publish(ledger, id, listener, heard, what, more)
  if listener and string.match(listener, '^%x+$') then
    redis.call('PUBLISH', string.match(ledger, '^(.-)job:') .. 'client:' .. listener, what .. ' ' .. id .. more)
  end
  if heard or not listener then
    redis.call('PUBLISH', ledger .. ':events', what)
  end
end
