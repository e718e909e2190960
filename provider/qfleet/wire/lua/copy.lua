-- Give a job a program that Redis has a copy of. KEYS[1]: the job's programs. KEYS[2]: the copy. ARGV[1]: its name.
-- Returns 1; or 0 if the copy isn't there.

local blob = redis.call('GET', KEYS[2])
if not blob then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], blob)
return 1
