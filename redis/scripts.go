package redis

import (
	"crypto/sha1"
	"encoding/hex"
)

// script is a script and the name that a server knows it by.
type script struct{ source, hash []byte }

func newScript(source string) *script {
	sum := sha1.Sum([]byte(source)) // Redis's choice
	return &script{[]byte(source), []byte(hex.EncodeToString(sum[:]))}
}

// The scripts name keys themselves: the index of an owner is known only once the session
// has been read. It has the session's tag, and so its slot. Those that are known before
// are declared, so that a cluster in which the slot is moving can refuse what it has only
// the half of.
//
// A script is not undone when one of its commands fails. So whatever can fail comes
// first, and an entry too many in an index does no harm, while one too few would hide a
// session from its owner.

// ownHead reads the owner from the first bytes of a value: nil if it is unreadable.
const ownHead = `
local function owner(value)
	local n = string.byte(value, 10)
	if n and string.byte(value, 1) == 1 and #value >= 10 + n and string.sub(value, 2, 9) ~= '\0\0\0\0\0\0\0\0' then
		return string.sub(value, 11, 10 + n)
	end
end
`

// ownIndex enters a session into an index until its deadline, and takes some out that
// have passed theirs; or it takes one out that has ended. The index lives as long as the
// session that lives longest.
const ownIndex = `
local function now()
	local t = redis.call('TIME')
	return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function last(index)
	local top = redis.pcall('ZRANGE', index, 0, 0, 'REV', 'WITHSCORES')
	if top[2] then redis.pcall('PEXPIREAT', index, top[2] + 1) end
end
local function enter(index, id, now, deadline)
	redis.call('ZADD', index, deadline, id)
	if redis.call('PEXPIREAT', index, deadline + 1, 'GT') == 0 then last(index) end
	local over = redis.call('ZRANGE', index, '-inf', '(' .. now, 'BYSCORE', 'LIMIT', 0, 16)
	if #over > 0 then redis.call('ZREM', index, unpack(over)) end
end
local function leave(index, id)
	local gone = redis.pcall('ZREM', index, id)
	if gone == 1 then last(index) end
	return gone == 1 and 1 or 0
end
`

// ownCreate makes a session that has an owner. KEYS: the session, the index. ARGV: the
// value, its life in ms, the id. It returns 1, or the first bytes of what is there
// already, or -1 if that has no end. (One without an owner is made by a plain SET.)
const ownCreate = ownIndex + `
local left = redis.call('PTTL', KEYS[1])
if left == -1 then return -1 end
if left ~= -2 then return redis.call('GETRANGE', KEYS[1], 0, 264) end
local now = now()
local deadline = now + ARGV[2]
enter(KEYS[2], ARGV[3], now, deadline)
redis.call('SET', KEYS[1], ARGV[1], 'PXAT', deadline)
return 1
`

// ownUpdate replaces a session. KEYS: the session and, unless it is nobody's from now on,
// the index of its new owner. ARGV: the value, its life in ms, the revision that it must
// have, the id, what an index's key begins with, the new owner. It returns 1, or 0 if there is
// none, -1 if it cannot be read, or the revision that it has.
//
// Sessions that are nobody's, which are most, do not get as far as ownIndex.
const ownUpdate = ownHead + `
local left = redis.call('PTTL', KEYS[1])
if left == -2 then return 0 end
local head = redis.call('GETRANGE', KEYS[1], 0, 264)
local old = owner(head)
if not old or left == -1 then return -1 end
local revision = string.sub(head, 2, 9)
if revision ~= ARGV[3] then return revision end
if not KEYS[2] then
	redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
	if old == '' then return 1 end
end
` + ownIndex + `
if KEYS[2] then
	local now = now()
	local deadline = now + ARGV[2]
	enter(KEYS[2], ARGV[4], now, deadline)
	redis.call('SET', KEYS[1], ARGV[1], 'PXAT', deadline)
end
if old ~= '' and old ~= ARGV[6] then leave(ARGV[5] .. old, ARGV[4]) end
return 1
`

// ownTouch sets a session's life. KEYS: the session. ARGV: its life in ms, the id, what an
// index's key begins with. It returns 1, or 0 if there is none, or -1 if it cannot be read.
const ownTouch = ownHead + `
local head = redis.call('GETRANGE', KEYS[1], 0, 264)
if head == '' and redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local old = owner(head)
if not old then return -1 end
if old == '' then
	if redis.call('PEXPIRE', KEYS[1], ARGV[1], 'XX') == 1 then return 1 end
	return -1
end
` + ownIndex + `
local now = now()
local deadline = now + ARGV[1]
redis.call('PEXPIREAT', ARGV[3] .. old, deadline + 1, 'GT')
enter(ARGV[3] .. old, ARGV[2], now, deadline)
if redis.call('PEXPIREAT', KEYS[1], deadline, 'XX') == 1 then return 1 end
return -1
`

// ownRemove ends a session. KEYS: the session. ARGV: the id, what an index's key begins with,
// the owner whose it must be or nothing for anybody's, and a key to be written to if nothing is
// removed, or nothing. It returns whether it ended one that could be read, and whether an
// entry for it stays in that owner's index.
//
// What cannot be read goes too: it may be of a later version of this package.
const ownRemove = ownHead + ownIndex + `
local head = redis.pcall('GETRANGE', KEYS[1], 0, 264)
local old = type(head) == 'string' and owner(head)
local live, left = 0, 0
if ARGV[3] == '' or not old or old == ARGV[3] then
	local gone = redis.call('UNLINK', KEYS[1])
	if old then live = gone end
	if gone == 1 then ARGV[4] = '' end
	if old and old ~= '' then left = leave(ARGV[2] .. old, ARGV[1]) end
end
if ARGV[3] ~= '' and old ~= ARGV[3] then
	left = leave(ARGV[2] .. ARGV[3], ARGV[1])
end
if ARGV[4] ~= '' and redis.call('PEXPIRE', ARGV[4], 3600000) == 0 then
	redis.call('SET', ARGV[4], '', 'PX', 3600000)
end
return {live, left}
`

// ownLoad reads a session and what is left of its life in one command, for a client that
// sends each by itself. KEYS: the session.
const ownLoad = `
return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}
`
