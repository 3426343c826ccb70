/**
 * What Redis runs in one step: several servers may ask at the same time. A rate is a text of two numbers, its level and
 * when it had it (milliseconds); places are a sorted set of leases by the time at which they end, so that a server that
 * was killed holds none for ever.
 *
 * Every script begins with the time: that of the Redis server, as those of several servers differ, or the one given by
 * a test. Rates are told as capacity, per second, and what is to be taken.
 */
import { createHash } from 'node:crypto';

export interface Script {
  readonly text: string;
  readonly sha: string;
}

/** A bucket that was not used for so long after it is full again is forgotten. */
const SLACK_MS = 60_000;

const TIME = `
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + time[2] / 1000
end
`;

const RATES = `
local function level_of(key, capacity, per_second)
  local stored = redis.call('GET', key)
  if not stored then return capacity end
  local level, at = string.match(stored, '^(%S+) (%S+)$')
  return math.min(capacity, tonumber(level) + math.max(0, now - tonumber(at)) * per_second / 1000)
end
local function set_level(key, level, capacity, per_second)
  local full_ms = (capacity - level) / per_second * 1000
  redis.call('SET', key, string.format('%.17g %.17g', level, now), 'PX', string.format('%.0f', full_ms + ${SLACK_MS}))
end
`;

/**
 * ARGV: time, number of rates, lease, its life in ms, rates, then the most of each set of places. KEYS: rates, places.
 * Gives: what refused (its place in KEYS, 0 for nothing), ms until every rate holds enough, the levels.
 */
export const ADMIT = script(`${TIME}${RATES}
local rates, lease, life = tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local refusing, wait, levels = 0, 0, {}
for i = 1, rates do
  local capacity, per_second, cost = tonumber(ARGV[2 + 3 * i]), tonumber(ARGV[3 + 3 * i]), tonumber(ARGV[4 + 3 * i])
  levels[i] = level_of(KEYS[i], capacity, per_second)
  local missing = cost - levels[i]
  if missing > 0.000001 then
    if refusing == 0 then refusing = i end
    wait = math.max(wait, missing / per_second * 1000)
  end
end
for i = rates + 1, #KEYS do
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', now)
  if refusing == 0 and redis.call('ZCARD', KEYS[i]) >= tonumber(ARGV[4 + 2 * rates + i]) then refusing = i end
end
if refusing == 0 then
  for i = 1, rates do
    levels[i] = levels[i] - tonumber(ARGV[4 + 3 * i])
    set_level(KEYS[i], levels[i], tonumber(ARGV[2 + 3 * i]), tonumber(ARGV[3 + 3 * i]))
  end
  for i = rates + 1, #KEYS do
    redis.call('ZADD', KEYS[i], now + life, lease)
    redis.call('PEXPIRE', KEYS[i], life)
  end
end
local reply = { tostring(refusing), string.format('%.17g', wait) }
for i = 1, rates do reply[i + 2] = string.format('%.17g', levels[i]) end
return reply
`);

/** ARGV: time, number of rates, lease, rates. KEYS: rates, places. What is taken may be below zero. */
export const SETTLE = script(`${TIME}${RATES}
local rates = tonumber(ARGV[2])
for i = 1, rates do
  local capacity, per_second = tonumber(ARGV[1 + 3 * i]), tonumber(ARGV[2 + 3 * i])
  local level = math.min(capacity, level_of(KEYS[i], capacity, per_second) - tonumber(ARGV[3 + 3 * i]))
  set_level(KEYS[i], level, capacity, per_second)
end
for i = rates + 1, #KEYS do redis.call('ZREM', KEYS[i], ARGV[3]) end
`);

/** ARGV: time, life in ms, leases. KEYS: their places. Also brings back leases that a Redis has forgotten. */
export const RENEW = script(`${TIME}
local life = tonumber(ARGV[2])
for i = 3, #ARGV do redis.call('ZADD', KEYS[1], now + life, ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], life)
`);

/** ARGV: time, capacity, per second. KEYS: a rate. Gives its level. */
export const LEVEL = script(`${TIME}${RATES}
return string.format('%.17g', level_of(KEYS[1], tonumber(ARGV[2]), tonumber(ARGV[3])))
`);

/** ARGV: time, capacity, per second, level. KEYS: a rate, which has no more than that level then. */
export const LOWER = script(`${TIME}${RATES}
local capacity, per_second, level = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if level < level_of(KEYS[1], capacity, per_second) then set_level(KEYS[1], level, capacity, per_second) end
`);

export const SCRIPTS: readonly Script[] = [ADMIT, SETTLE, RENEW, LEVEL, LOWER];

function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}
