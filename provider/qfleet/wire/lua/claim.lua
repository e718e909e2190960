-- In front of a script that fulfils a wish. KEYS[2]: the inbox. The last argument: the wish's entry there. It is taken out and
-- fulfilled in one step: another worker that has read the same entry does nothing. Returns 'served' then.
if redis.call('LREM', KEYS[2], -1, table.remove(ARGV)) == 0 then
  return 'served'
end

