-- SPDX-License-Identifier: Apache-2.0
-- Read a slice of a set of job ids by time, and tell which of the jobs are there; most ids may be those of expired jobs.
-- KEYS[1]: the set; it has ids of one tenant, or references. ARGV[1]: what stands before the keys of the tenant, or before
-- all keys. ARGV[2], ARGV[3]: the times of the
-- oldest and of the newest job, or nothing. ARGV[4]: 1 for the newest first. ARGV[5]: how many ids are read.
-- ARGV[6]: how many at most, if there are jobs among them. ARGV[7], ARGV[8]: the last id that was read before, and its
-- score, if there was one.
-- Returns the last id that was read and its score, nothing at the end; then the ids of the jobs that are there.

local ids, home = KEYS[1], ARGV[1]
local oldest, newest, descending = ARGV[2], ARGV[3], ARGV[4] == '1'
local range = descending and 'ZREVRANGE' or 'ZRANGE'

-- How many ids stand before those of a time, in the order of reading.
local function before(time)
  if descending then
    return redis.call('ZCOUNT', ids, '(' .. time, '+inf')
  end
  return redis.call('ZCOUNT', ids, '-inf', '(' .. time)
end

-- Whether one id stands before another of the same time, as Redis orders them: byte by byte.
local function precedes(one, other)
  for at = 1, math.min(#one, #other) do
    local difference = string.byte(one, at) - string.byte(other, at)
    if difference ~= 0 then
      return (difference < 0) ~= descending
    end
  end
  return #one ~= #other and (#one < #other) ~= descending
end

local first = 0
if ARGV[7] then
  local rank = redis.call(descending and 'ZREVRANK' or 'ZRANK', ids, ARGV[7])
  if rank then
    first = rank + 1
  else
    -- It has been removed: those of its time that were read are left out.
    first = before(ARGV[8])
    local same = redis.call(range, ids, first, first + 999)
    local at = 1
    while same[at] and tonumber(redis.call('ZSCORE', ids, same[at])) == tonumber(ARGV[8])
      and precedes(same[at], ARGV[7]) do
      at = at + 1
    end
    first = first + at - 1
  end
elseif (descending and newest or oldest) ~= '' then
  first = before(descending and newest or oldest)
end

local members = redis.call(range, ids, first, first + ARGV[5] - 1)
local finished = #members < tonumber(ARGV[5])
local bound = tonumber(descending and oldest or newest)
if bound and #members > 0 then
  local rest = descending and redis.call('ZCOUNT', ids, oldest, '+inf') or redis.call('ZCOUNT', ids, '-inf', newest)
  for at = #members, math.max(rest - first, 0) + 1, -1 do
    members[at] = nil
    finished = true
  end
end
if #members == 0 then
  return { false, false }
end

local ledgers = {}
for at, id in ipairs(members) do
  local tenant, name = string.match(id, '^(.*)/(.*)$')
  ledgers[at] = tenant and home .. '{' .. tenant .. '}:job:' .. name or home .. 'job:' .. id
end
local function number_there(from, to)
  return redis.call('EXISTS', unpack(ledgers, from, to))
end

local answer = { false, false }
local function find(from, to, there)
  if there == to - from + 1 then
    for at = from, to do
      table.insert(answer, members[at])
    end
  elseif there > 0 then
    local middle = math.floor((from + to) / 2)
    local there_before = number_there(from, middle)
    find(from, middle, there_before)
    find(middle + 1, to, there - there_before)
  end
end

local from, to = 1, #members
local there = number_there(from, to)
if there > 0 then
  -- Where jobs and expired ones are mixed, this takes much longer: a small part has to do for this time.
  while to - from >= tonumber(ARGV[6]) do
    local middle = math.floor((from + to) / 2)
    local there_before = number_there(from, middle)
    if there_before > 0 then
      to, there, finished = middle, there_before, false
    else
      from = middle + 1
    end
  end
  find(from, to, there)
end
if not finished then
  answer[1] = members[to]
  answer[2] = redis.call('ZSCORE', ids, members[to])
end
return answer
