package proxy

import (
	"bufio"
	"bytes"
	"strings"
	"sync/atomic"
)

// Redis is the wire protocol of Redis and Valkey, RESP2 and RESP3. A request is a
// command, and a reply is the whole value that answers it. A write is a command that may
// write; between MULTI and EXEC nothing is done, so there EXEC is the write.
//
// An EVALSHA counts as a write also where the server does not know the script: have it
// loaded before the reply to it is lost.
//
// The replies of a connection that says CLIENT REPLY or MONITOR, or subscribes in RESP2,
// are no longer one for each command. They are handed on, but LoseReply may take the
// wrong one.
//
// https://redis.io/docs/latest/develop/reference/protocol-spec/
func Redis() Splitter { return &redis{} }

type redis struct {
	// Of the client's stream.
	begun  bool
	multi  bool // after MULTI, before EXEC
	queued bool // and a write waits for the EXEC

	encrypted atomic.Bool
}

func (s *redis) Request(r *bufio.Reader) (Request, error) {
	first, err := r.Peek(1)
	if err != nil {
		return Request{}, err
	}
	if !s.begun {
		s.encrypted.Store(first[0] == tlsHandshake)
	}
	s.begun = true
	if s.encrypted.Load() {
		return blind{}.Request(r)
	}
	f := resp{r: r}
	name, err := f.command()
	q := Request{Bytes: f.Bytes()}
	if err == nil {
		q.Write, q.Asks = s.judge(strings.ToUpper(name))
	}
	return q, err
}

// judge says what a command makes the server do.
func (s *redis) judge(name string) (write, asks bool) {
	switch name {
	case "": // nothing is answered
		return false, false
	case "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE":
		return false, false // each channel is answered with a push
	case "MULTI":
		s.multi, s.queued = true, false
		return false, true
	case "EXEC", "DISCARD", "RESET":
		write = name == "EXEC" && s.queued
		s.multi, s.queued = false, false
		return write, true
	}
	write = redisWrites[name]
	if s.multi {
		s.queued = s.queued || write
		write = false
	}
	return write, true
}

// redisWrites are the commands that may write, and those that run what somebody else
// wrote. It lists writes and not reads, because a fault that misses a write unknown here
// does not strike, which every test sees. One that takes an unknown read for a write
// strikes, and tests nothing.
var redisWrites = func() map[string]bool {
	m := map[string]bool{}
	for _, name := range strings.Fields(`
		EVAL EVALSHA FCALL

		COPY DEL DELEX DELIFEQ EXPIRE EXPIREAT FLUSHALL FLUSHDB MIGRATE MOVE PERSIST PEXPIRE PEXPIREAT RENAME
		RENAMENX RESTORE RESTORE-ASKING SORT SWAPDB UNLINK

		APPEND BITFIELD BITOP DECR DECRBY GETDEL GETEX GETSET INCR INCRBY INCRBYFLOAT MSET MSETEX MSETNX PSETEX
		SET SETBIT SETEX SETNX SETRANGE PFADD PFDEBUG PFMERGE

		HDEL HEXPIRE HEXPIREAT HGETDEL HGETEX HINCRBY HINCRBYFLOAT HMSET HPERSIST HPEXPIRE HPEXPIREAT HSET
		HSETEX HSETNX

		BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH LINSERT LMOVE LMPOP LPOP LPUSH LPUSHX LREM LSET LTRIM RPOP
		RPOPLPUSH RPUSH RPUSHX

		SADD SDIFFSTORE SINTERSTORE SMOVE SPOP SREM SUNIONSTORE

		BZMPOP BZPOPMAX BZPOPMIN GEOADD GEORADIUS GEORADIUSBYMEMBER GEOSEARCHSTORE ZADD ZDIFFSTORE ZINCRBY
		ZINTERSTORE ZMPOP ZPOPMAX ZPOPMIN ZRANGESTORE ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK ZREMRANGEBYSCORE
		ZUNIONSTORE

		XACK XACKDEL XADD XAUTOCLAIM XCLAIM XDEL XDELEX XREADGROUP XSETID XTRIM`) {
		m[name] = true
	}
	return m
}()

func (s *redis) Reply(r *bufio.Reader) (Reply, error) {
	if _, err := r.Peek(1); err != nil {
		return Reply{}, err
	}
	if s.encrypted.Load() {
		return blind{}.Reply(r)
	}
	f := resp{r: r}
	start, err := f.value()
	a := Reply{Bytes: f.Bytes()}
	if err == nil {
		value := a.Bytes[start:]
		a.Ends = value[0] != '>' // a push answers nothing
		a.Error = refuses(value)
	}
	return a, err
}

// refuses reports whether a value is the server's error. Those that the best of clients
// meets in its daily work are none: a script that is to be loaded first, a key that lives
// elsewhere, and a command that a driver tries on each connection in case the server has it.
func refuses(value []byte) bool {
	text := value[1:]
	switch value[0] {
	case '!':
		_, text, _ = bytes.Cut(text, []byte("\r\n"))
	case '-':
	default:
		return false
	}
	for _, usual := range []string{"NOSCRIPT ", "MOVED ", "ASK ", "ERR unknown subcommand "} {
		if bytes.HasPrefix(text, []byte(usual)) {
			return false
		}
	}
	return true
}
