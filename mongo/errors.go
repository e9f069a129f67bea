package mongo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"github.com/sojourn-go/sojourn/internal/call"
	"github.com/sojourn-go/sojourn/store"
)

// passing are the codes that say that a server cannot answer now: it is not the primary,
// or no longer, is being shut down, or ran out of time. The same may go well elsewhere or
// later; what it did before is not told.
//
// https://github.com/mongodb/specifications/blob/master/source/retryable-writes/retryable-writes.md
var passing = []int{6, 7, 50, 63, 89, 91, 133, 134, 150, 189, 262, 9001, 10107, 11600, 11602, 13388, 13435, 13436}

// again are those of what was rolled back for another's sake, and of a page whose cursor or
// plan the server has given up.
var again = []int{24, 43, 112, 175, 237, 251}

// judge returns what err says about a call of the driver, which may have made several
// attempts by itself: what its error says is of the last one.
func judge(err error) call.Verdict {
	if r, ok := errors.AsType[*refusal](err); ok && r.passes {
		return call.Again
	} else if ok || err == errBarred || errors.Is(err, mongo.ErrClientDisconnected) {
		return call.Final
	}
	if w, ok := errors.AsType[mongo.WriteException](err); ok && w.WriteConcernError != nil {
		return call.Lost // it is applied, and may be rolled back
	}
	if s, ok := errors.AsType[mongo.ServerError](err); ok && len(codes(s)) > 0 {
		switch {
		case slices.ContainsFunc(again, s.HasErrorCode):
			return call.Again
		case slices.ContainsFunc(passing, s.HasErrorCode), s.HasErrorLabel("RetryableWriteError"):
			return call.Lost // also with the label NoWritesPerformed: an attempt before it may have been lost
		}
		return call.Final // a server that has applied the write would have said so instead
	}
	if unsent(err) {
		return call.Again
	}
	return call.Lost // whatever it is: nothing says that it was not applied
}

// unsent reports whether there was no connection to send anything by. After an attempt
// that was lost, the driver returns the error of that one instead.
func unsent(err error) bool {
	if mongo.IsNetworkError(err) {
		return false
	}
	if _, ok := errors.AsType[topology.ServerSelectionError](err); ok {
		return true
	}
	if _, ok := errors.AsType[topology.WaitQueueTimeoutError](err); ok {
		return true
	}
	if _, ok := errors.AsType[topology.ConnectionError](err); ok {
		return true
	}
	// The pool waits until the server answers again.
	c, ok := errors.AsType[mongo.CommandError](err)
	return ok && c.HasErrorLabel("TransientTransactionError")
}

// codes are those that the server gave; none for the driver's own errors.
func codes(s mongo.ServerError) (out []int) {
	for _, c := range s.ErrorCodes() {
		if c != 0 {
			out = append(out, c)
		}
	}
	return out
}

// errBarred is what remains when a document is there, can be written, and is not.
var errBarred = errors.New("the server changes no document, and nothing is in the way: is there another unique index on the collection?")

// said is what a code means here.
var said = map[int]struct {
	text string
	kind error
}{
	13:    {text: "the user lacks the right"},
	18:    {text: "wrong user or password"},
	20:    {text: "the server is of a kind that cannot do this"},
	26:    {text: "there is no such collection"},
	50:    {text: "the server ended it, since it ran out of time"},
	64:    {text: "too few members of the replica set have confirmed the write in time"},
	66:    {text: "the shard key of the collection is not _id, which it must be"},
	73:    {text: "the name of the database or of the collection is not one", kind: store.ErrInvalid},
	79:    {text: "the replica set cannot confirm writes as the store asks for"},
	85:    {text: "an index with the same name or keys is there, with other options: drop it, and call Store.Migrate again"},
	86:    {text: "an index with the same name or keys is there, with other options: drop it, and call Store.Migrate again"},
	91:    {text: "the server is being shut down"},
	100:   {text: "the replica set cannot confirm writes as the store asks for"},
	121:   {text: "a validator of the collection refuses the document"},
	166:   {text: "the collection is a view, in which sessions cannot be kept"},
	8000:  {text: "wrong user or password"}, // of Atlas
	10107: {text: "the server is not the primary"},
	10334: {text: "too large for the server", kind: store.ErrTooLarge},
	13435: {text: "the server is not the primary"},
	14031: {text: "the server's disk is full", kind: store.ErrFull},
	17280: {text: "too large for an index of the server", kind: store.ErrTooLarge},
	17419: {text: "too large for the server", kind: store.ErrTooLarge},
	17420: {text: "too large for the server", kind: store.ErrTooLarge},
}

// serverError is an error of the server without its texts, which quote keys and values.
type serverError struct {
	code int
	text string
	kind error
}

func (e *serverError) Error() string {
	text := fmt.Sprintf("%s (code %d)", e.text, e.code)
	if e.kind != nil {
		text = e.kind.Error() + ": " + text
	}
	return text
}

func (e *serverError) Unwrap() error { return e.kind }

// told returns err without any text that may hold an id, an owner or data. Of what the
// store says it for (ErrFull and the like) nothing is left where unsure is set.
func told(err error, unsure bool) error {
	if err == nil || err == errBarred || call.Answered(err) {
		return err
	}
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	if s, ok := errors.AsType[mongo.ServerError](err); ok {
		if codes := codes(s); len(codes) > 0 {
			e := &serverError{code: codes[0], text: said[codes[0]].text, kind: said[codes[0]].kind}
			if e.text == "" {
				e.text = "error of the server"
			}
			if unsure {
				e.kind = nil
			}
			return e
		}
	}
	if s, ok := errors.AsType[topology.ServerSelectionError](err); ok {
		return selection(s)
	}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return known
		}
	}
	if errors.Is(err, mongo.ErrClientDisconnected) {
		return mongo.ErrClientDisconnected
	}
	if n, ok := errors.AsType[*net.OpError](err); ok {
		return n
	}
	if mongo.IsTimeout(err) {
		return context.DeadlineExceeded
	}
	if mongo.IsNetworkError(err) {
		return errors.New("the connection broke")
	}
	return fmt.Errorf("error of the driver (%T)", err)
}

// selection says why no server could be had: what the driver heard of each.
func selection(s topology.ServerSelectionError) error {
	var heard []string
	for _, server := range s.Desc.Servers {
		what := server.Kind.String()
		if e, ok := errors.AsType[driver.Error](server.LastError); ok && e.Code != 0 {
			what = told(mongo.CommandError{Code: e.Code}, false).Error()
		} else if server.LastError != nil {
			what = told(server.LastError, false).Error()
		}
		heard = append(heard, fmt.Sprintf("%s: %s", server.Addr, what))
	}
	err := fmt.Errorf("no primary was found in time (%s)", strings.Join(heard, "; "))
	if errors.Is(s.Wrapped, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	}
	return err
}
