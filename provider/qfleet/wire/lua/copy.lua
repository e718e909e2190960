-- Give a job a program that Redis has a copy of, and keep the copy. KEYS[1]: the job's programs. KEYS[2]: the copy. ARGV[1]:
-- the program's name. ARGV[2]: seconds to keep the copy.
-- Returns 1; or 0 if the copy isn't there.

local blob = redis.call('GET', KEYS[2])
if not blob then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], blob)
redis.call('EXPIRE', KEYS[2], ARGV[2])
return 1
