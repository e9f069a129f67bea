package redis_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/redis"
	"github.com/sojourn-go/sojourn/store"
)

// answer is an error of a server.
type answer string

func (a answer) Error() string { return string(a) }
func (answer) RedisError()     {}

func TestJudge(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", errors.New("refused"))}
	for _, c := range []struct {
		err           error
		first, unsure string // with nothing lost before, and after a reply was lost
	}{
		{goredis.Nil, "final", "final"},
		{answer("WRONGTYPE Operation against a key"), "final", "final"},
		{answer("OOM command not allowed"), "final", "final"},
		{answer("NOAUTH Authentication required."), "final", "final"},
		{answer("ERR unknown command"), "final", "final"},
		{answer("NOSCRIPT No matching script."), "anew", "anew"},
		{answer("MOVED 3999 127.0.0.1:6381"), "anew", "anew"},
		{answer("ASK 3999 127.0.0.1:6381"), "anew", "anew"},
		{answer("READONLY You can't write against a read only replica."), "anew", "again"},
		{answer("TRYAGAIN Multiple keys request during rehashing of slot"), "again", "again"},
		{answer("ERR Script attempted to access a non local key in a cluster node script: x"), "again", "again"},
		{answer("LOADING Redis is loading the dataset in memory"), "final", "again"},
		{answer("CLUSTERDOWN The cluster is down"), "final", "again"},
		{answer("MASTERDOWN Link with MASTER is down"), "final", "again"},
		{answer("BUSY Redis is busy running a script"), "final", "again"},
		{answer("NOREPLICAS Not enough good replicas to write."), "final", "again"},
		{answer("ERR max number of clients reached"), "final", "again"},
		{fmt.Errorf("wrapped: %w", answer("LOADING x")), "final", "again"},
		{refused, "final", "again"},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host"}}, "final", "again"},
		{&tls.CertificateVerificationError{Err: errors.New("x509: signed by nobody")}, "final", "again"},
		{tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, "final", "again"},
		{goredis.ErrPoolTimeout, "final", "again"},
		{goredis.ErrPoolExhausted, "final", "again"},
		{errors.New("redis: all sentinels specified in configuration are unreachable"), "final", "again"},
		{goredis.ErrClosed, "anew", "anew"},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, "lost", "lost"},
		{&net.OpError{Op: "write", Err: errors.New("broken pipe")}, "lost", "lost"},
		{io.EOF, "lost", "lost"},
		{io.ErrUnexpectedEOF, "lost", "lost"},
		{context.DeadlineExceeded, "lost", "lost"},
		{errors.New("redis: can't parse reply"), "lost", "lost"},
	} {
		if got := redis.Judge(c.err, false); got != c.first {
			t.Errorf("%v: %s, want %s", c.err, got, c.first)
		}
		if got := redis.Judge(c.err, true); got != c.unsure {
			t.Errorf("%v, after a reply was lost: %s, want %s", c.err, got, c.unsure)
		}
	}
}

// ID-3: servers and the driver quote what they were sent, and what was sent back.
func TestToldHoldsNoText(t *testing.T) {
	const secret = "aVerySecretID"
	for _, err := range []error{
		answer("ERR unknown command 'GETX', with args beginning with: '" + secret + "'"),
		answer("WRONGTYPE Operation against " + secret),
		answer("MOVED 1 " + secret + ":6379"),
		answer("BUSYKEY " + secret),
		answer(secret + " made up"),
		errors.New(`redis: can't parse int reply: "` + secret + `"`),
		fmt.Errorf("wrapped: %w", answer("ERR "+secret)),
	} {
		for _, unsure := range []bool{false, true} {
			got := redis.Told(err, unsure)
			for e := got; e != nil; e = errors.Unwrap(e) {
				if strings.Contains(e.Error(), secret) {
					t.Errorf("%v is told as %v", err, got)
				}
			}
		}
	}
}

func TestToldSaysWhatToDo(t *testing.T) {
	for _, c := range []struct {
		err    error
		kind   error
		advice string
	}{
		{answer("OOM command not allowed when used memory > 'maxmemory'."), store.ErrFull, "maxmemory"},
		{answer("MISCONF Errors writing to the AOF file: No space left on device"), store.ErrFull, "disk"},
		{answer("MISCONF Redis is configured to save RDB snapshots"), nil, "disk"},
		{answer("WRONGTYPE x"), store.ErrCorrupt, "prefix"},
		{answer("READONLY x"), nil, "master"},
		{answer("MOVED 1 a:1"), nil, "NewClusterClient"},
		{answer("NOPERM User x has no permissions"), nil, "package doc"},
		{answer("ERR max number of clients reached"), nil, "maxclients"},
	} {
		got := redis.Told(c.err, false)
		if c.kind != nil && !errors.Is(got, c.kind) || c.kind == nil && (errors.Is(got, store.ErrFull) || errors.Is(got, store.ErrCorrupt)) {
			t.Errorf("%v is told as %v, want %v", c.err, got, c.kind)
		}
		if !strings.Contains(got.Error(), c.advice) {
			t.Errorf("%v is told as %v, without a word of %q", c.err, got, c.advice)
		}
		if _, ok := errors.AsType[goredis.Error](got); !ok {
			t.Errorf("%v is not go-redis's kind of error any more", got)
		}
		// What refused a repeat says nothing of the first attempt.
		if again := redis.Told(c.err, true); errors.Is(again, store.ErrFull) || errors.Is(again, store.ErrCorrupt) {
			t.Errorf("after a reply was lost, %v is told as %v", c.err, again)
		}
	}
}

// The caller's own errors, of a hook or of what gives out credentials, are found again.
func TestToldIsFoundAgain(t *testing.T) {
	mine := errors.New("the caller's own, with sojourn{000}s:anID in it")
	for _, err := range []error{mine, fmt.Errorf("%w: %w", mine, io.EOF), fmt.Errorf("%w: %w", mine, context.DeadlineExceeded)} {
		got := redis.Told(err, false)
		if !errors.Is(got, mine) || strings.Contains(got.Error(), "anID") {
			t.Errorf("%v is told as %v", err, got)
		}
	}
}
