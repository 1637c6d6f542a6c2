import { script } from './connection.js'

/*
 * Every script gets KEYS: the value, the set of all keys in order, the set of keys by time of expiry;
 * and ARGV: the key, now in ms, and its own. A value is `<expiry in ms, or nothing>:<JSON>`.
 */

/** `stored` is what is there, `living` the same unless it has expired, `expiry` its time as text. */
const read = `
local stored = redis.call('GET', KEYS[1])
local living, expiry = false, ''
if stored then
  expiry = string.sub(stored, 1, string.find(stored, ':', 1, true) - 1)
  if expiry == '' or tonumber(expiry) > tonumber(ARGV[2]) then living = stored end
end
`

/** Keeps `text` until `expiry`; the server itself forgets it after `life` ms, for when no gateway is there to sweep. */
const write = `
local function write(text, expiry, life)
  if life == '' then
    redis.call('SET', KEYS[1], expiry .. ':' .. text)
    redis.call('ZREM', KEYS[3], ARGV[1])
  else
    redis.call('SET', KEYS[1], expiry .. ':' .. text, 'PX', life)
    redis.call('ZADD', KEYS[3], expiry, ARGV[1])
  end
  redis.call('ZADD', KEYS[2], 0, ARGV[1])
end
`

/** More ARGV: text, expiry, life. */
export const set = script(`${write}
write(ARGV[3], ARGV[4], ARGV[5])
return 1`)

/** More ARGV: text, expiry, life. 1 when it was created. */
export const add = script(`${read}${write}
if living then return 0 end
write(ARGV[3], ARGV[4], ARGV[5])
return 1`)

/** More ARGV: what is there now as a whole, text, and expiry and life or nothing to leave both. 1 when it was done. */
export const swap = script(`${read}${write}
if living ~= ARGV[3] then return 0 end
if ARGV[5] then
  write(ARGV[4], ARGV[5], ARGV[6])
else
  redis.call('SET', KEYS[1], expiry .. ':' .. ARGV[4], 'KEEPTTL')
end
return 1`)

/** 1 when it was there. */
export const remove = script(`${read}
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
return living and 1 or 0`)

/** More ARGV: expiry, life. The new count; -1 when no whole number is there. */
export const increment = script(`${read}${write}
if not living then
  write('1', ARGV[3], ARGV[4])
  return 1
end
local text = string.sub(living, #expiry + 2)
if not string.match(text, '^%-?%d+$') or #text > 15 then return false end
local count = tonumber(text) + 1
redis.call('SET', KEYS[1], expiry .. ':' .. string.format('%.0f', count), 'KEEPTTL')
return count`)

/** ARGV: prefix of the values, now, at most. How many were removed. */
export const sweep = script(`
local due = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[2], 'LIMIT', 0, ARGV[3])
for _, key in ipairs(due) do
  redis.call('DEL', ARGV[1] .. key)
  redis.call('ZREM', KEYS[1], key)
  redis.call('ZREM', KEYS[2], key)
end
return #due`)

/** ARGV: prefix of the values, then keys: takes those out of the index whose value the server forgot by itself. */
export const repair = script(`
for index = 2, #ARGV do
  if redis.call('EXISTS', ARGV[1] .. ARGV[index]) == 0 then redis.call('ZREM', KEYS[1], ARGV[index]) end
end
return 1`)
