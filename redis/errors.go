package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/sojourn-go/sojourn/internal/call"
	"github.com/sojourn-go/sojourn/store"
)

// judge returns what err says about the command that it ended. After a reply was lost,
// what a server says of its own state is worth waiting for: then unsure is set.
func judge(err error, unsure bool) call.Verdict {
	later := call.Final // nothing was applied, and to wait for it is the caller's business
	if unsure {
		later = call.Again
	}
	if e, ok := errors.AsType[redis.Error](err); ok && !unsent(err) {
		switch code(e) {
		case "NOSCRIPT", "MOVED", "ASK":
			return call.Anew
		case "READONLY": // go-redis gives up the connection: the next one may find the master
			if !unsure {
				return call.Anew
			}
			return call.Again
		case "TRYAGAIN", "MOVING":
			return call.Again // soon another server has it
		case "LOADING", "MASTERDOWN", "CLUSTERDOWN", "BUSY", "NOREPLICAS", "MAXCLIENTS":
			return later
		}
		return call.Final
	}
	switch {
	case err == nil:
		return call.Final
	case err == errMoving:
		return call.Lost
	case err == errStrange, err == errRestless:
		return call.Final
	case errors.Is(err, redis.ErrClosed):
		return call.Anew // a server that left the cluster: go-redis closed its client
	case unsent(err):
		return later
	}
	return call.Lost
}

// unsent reports whether err is from before there was a connection.
func unsent(err error) bool {
	if _, ok := errors.AsType[*unsentError](err); ok {
		return true
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return true
	}
	if errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrPoolExhausted) {
		return true
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok { // the server does not speak TLS
		return true
	}
	// Sentinel's and a cluster's own, which have no type.
	text := err.Error()
	return strings.HasPrefix(text, "redis: all sentinels") || strings.HasPrefix(text, "redis: cluster has no nodes")
}

// code is the word that a server's error begins with. Two have none of their own.
func code(err redis.Error) string {
	text := strings.TrimPrefix(err.Error(), "ERR ")
	switch {
	case strings.Contains(text, "ACL failure in script"), strings.Contains(text, "user executing the script can't"): // Redis 7.0
		return "NOPERM"
	case strings.Contains(text, "non local key"):
		return "MOVING" // a script came upon a key that is on its way to another server
	case strings.HasPrefix(text, "max number of clients"):
		return "MAXCLIENTS"
	}
	word, _, _ := strings.Cut(err.Error(), " ")
	for _, c := range word {
		if c < 'A' || c > 'Z' {
			return "ERR"
		}
	}
	return word
}

// said is what a code means here.
var said = map[string]struct {
	text string
	kind error
}{
	"ASK":         {text: "the key is on another server of the cluster, which a client of the cluster follows (redis.NewClusterClient)"},
	"BUSY":        {text: "somebody's script keeps the server busy (SCRIPT KILL ends it)"},
	"CLUSTERDOWN": {text: "the cluster is down: a slot has no server, or the most of them do not answer"},
	"CROSSSLOT":   {text: "the keys of a session are in different slots"},
	"ERR":         {text: "error of the server"},
	"LOADING":     {text: "the server is reading its data, after a start"},
	"MASTERDOWN":  {text: "the server is a replica that has lost its master"},
	"MAXCLIENTS":  {text: "the server has too many connections (maxclients)"},
	"MISCONF":     {text: "the server cannot save to its disk, and takes no writes until it can; its log says why"},
	"MOVED":       {text: "the key is on another server of the cluster, which a client of the cluster follows (redis.NewClusterClient)"},
	"MOVING":      {text: "the slot is moving to another server"},
	"NOAUTH":      {text: "the server wants a password"},
	"NOPERM":      {text: "the user lacks the right: it needs the commands that the package doc lists, on the prefix's keys"},
	"NOREPLICAS":  {text: "the server takes no writes, since too few replicas are connected (min-replicas-to-write)"},
	"NOSCRIPT":    {text: "the server forgets the script that it was just sent"},
	"OOM":         {text: "the server is out of memory (maxmemory)", kind: store.ErrFull},
	"READONLY":    {text: "the server is a replica: connect to the master, by Sentinel or the cluster"},
	"TRYAGAIN":    {text: "the slot is moving to another server"},
	"WRONGPASS":   {text: "wrong user or password"},
	"WRONGTYPE":   {text: "a key of this prefix is not of this package", kind: store.ErrCorrupt},
}

var (
	errStrange  = errors.New("the server's answer is not that of this package's script")
	errRestless = errors.New("whenever the session is to be made there is one, and whenever it is looked for there is none")
)

// serverError is an error of the server without its text, which quotes arguments.
type serverError struct {
	code, text string
	kind       error // of package store, or nil
}

var _ redis.Error = (*serverError)(nil)

func (e *serverError) Error() string {
	out := e.text + " (" + e.code + ")"
	if e.kind != nil {
		out = e.kind.Error() + ": " + out
	}
	return out
}

func (e *serverError) Unwrap() error { return e.kind }

// RedisError is go-redis's mark of what a server answered.
func (e *serverError) RedisError() {}

// hidden is an error of which the text is not told. [errors.Is] finds what is in it: the
// caller's own errors above all.
type hidden struct {
	text string
	err  error
}

func (e *hidden) Error() string        { return e.text }
func (e *hidden) Is(target error) bool { return errors.Is(e.err, target) }

// cause is what is at the bottom of err.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// told returns err without any text that may hold an id, an owner or data. Of what the
// store says it for (ErrFull and the like) nothing is left where unsure is set.
func told(err error, unsure bool) error {
	if err == nil || call.Answered(err) || err == errMoving || err == errStrange || err == errRestless {
		return err
	}
	if e, ok := errors.AsType[redis.Error](err); ok {
		c := code(e)
		m, known := said[c]
		if !known {
			m = said["ERR"]
		}
		if c == "MISCONF" && strings.Contains(e.Error(), "No space left") {
			m.kind = store.ErrFull
		}
		if unsure {
			m.kind = nil
		}
		return &serverError{code: c, text: m.text, kind: m.kind}
	}
	// Not the whole of it: a hook of the caller's may have quoted the command.
	for _, plain := range []error{
		context.Canceled, context.DeadlineExceeded, redis.ErrClosed, redis.ErrPoolTimeout, redis.ErrPoolExhausted, io.EOF, io.ErrUnexpectedEOF,
	} {
		if errors.Is(err, plain) {
			return &hidden{plain.Error(), err}
		}
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return e
	}
	if unsent(err) {
		return &hidden{fmt.Sprintf("nothing was sent (%T)", cause(err)), err}
	}
	// go-redis quotes the reply that it cannot read.
	return &hidden{fmt.Sprintf("error of the driver (%T)", cause(err)), err}
}
