package mongo

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"github.com/sojourn-go/sojourn/internal/call"
	"github.com/sojourn-go/sojourn/store"
)

// secret is what no error may hold.
const secret = "q7-an-id"

func command(code int32, labels ...string) mongo.CommandError {
	return mongo.CommandError{Code: code, Message: "dup key: " + secret, Labels: labels}
}

// What an error of the driver says about a write: whether it can have been applied.
func TestJudge(t *testing.T) {
	cut := topology.ConnectionError{Wrapped: io.EOF}
	refused := topology.ConnectionError{Wrapped: &net.OpError{Op: "dial", Err: os.ErrNotExist}}
	network := mongo.CommandError{Labels: []string{"NetworkError"}, Wrapped: cut}
	for name, c := range map[string]struct {
		err  error
		want call.Verdict
	}{
		"no server":                     {topology.ServerSelectionError{Wrapped: context.DeadlineExceeded}, call.Again},
		"no connection of the pool":     {topology.WaitQueueTimeoutError{Wrapped: context.DeadlineExceeded}, call.Again},
		"not connected":                 {refused, call.Again},
		"the pool waits":                {mongo.CommandError{Labels: []string{"TransientTransactionError"}}, call.Again},
		"cut":                           {network, call.Lost},
		"cut, in a transaction":         {mongo.CommandError{Labels: []string{"NetworkError", "TransientTransactionError"}, Wrapped: cut}, call.Lost},
		"out of time":                   {context.DeadlineExceeded, call.Lost},
		"no time left":                  {driver.ErrDeadlineWouldBeExceeded, call.Lost},
		"who knows":                     {errors.New("pool cleared, after what was lost"), call.Lost},
		"out of time at the server":     {command(50), call.Lost},
		"not the primary":               {command(10107), call.Lost},
		"not the primary, nothing done": {command(10107, "NoWritesPerformed"), call.Lost},
		"shutting down":                 {command(91), call.Lost},
		"of a later server":             {command(99999, "RetryableWriteError"), call.Lost},
		"write conflict":                {command(112), call.Again},
		"no right":                      {command(13), call.Final},
		"nonsense":                      {command(99999), call.Final},
		"validator":                     {mongo.WriteException{WriteErrors: mongo.WriteErrors{{Code: 121}}}, call.Final},
		"not confirmed":                 {mongo.WriteException{WriteConcernError: &mongo.WriteConcernError{Code: 64}}, call.Lost},
		"cannot be confirmed":           {mongo.WriteException{WriteConcernError: &mongo.WriteConcernError{Code: 100}}, call.Lost},
		"disconnected":                  {mongo.ErrClientDisconnected, call.Final},
		"a cursor is gone":              {command(43), call.Again},
		"barred":                        {errBarred, call.Final},
		"not fit":                       {&refusal{text: "too old"}, call.Final},
		"not the primary now":           {&refusal{text: "not now", passes: true}, call.Again},
	} {
		if got := judge(c.err); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// ID-3: what the driver says is told without what a server or a driver quotes.
func TestTold(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		says string
		is   error
	}{
		"of the server":   {command(14031), "disk is full (code 14031)", store.ErrFull},
		"too large":       {mongo.WriteException{WriteErrors: mongo.WriteErrors{{Code: 10334, Message: secret}}}, "too large", store.ErrTooLarge},
		"unknown code":    {command(4711), "error of the server (code 4711)", nil},
		"no server":       {topology.ServerSelectionError{Wrapped: context.DeadlineExceeded}, "no primary", context.DeadlineExceeded},
		"out of time":     {mongo.CommandError{Message: secret, Wrapped: context.DeadlineExceeded, Labels: []string{"NetworkError"}}, "deadline", context.DeadlineExceeded},
		"cut":             {mongo.CommandError{Message: secret, Wrapped: io.EOF, Labels: []string{"NetworkError"}}, "connection broke", nil},
		"of the driver":   {errors.New(secret), "error of the driver", nil},
		"disconnected":    {mongo.ErrClientDisconnected, "disconnected", mongo.ErrClientDisconnected},
		"marshalling":     {mongo.MarshalError{Value: secret, Err: errors.New(secret)}, "error of the driver", nil},
		"not fit":         {&refusal{text: "too old"}, "too old", nil},
		"a store's own":   {store.ErrCorrupt, "", store.ErrCorrupt},
		"nothing changed": {errBarred, "changes no document", errBarred},
	} {
		got := told(c.err, false)
		if !strings.Contains(got.Error(), c.says) || strings.Contains(got.Error(), secret) || c.is != nil && !errors.Is(got, c.is) {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if err := told(command(14031), true); errors.Is(err, store.ErrFull) || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("of a repeat: got %v, want no ErrFull: it says nothing of the first attempt", err)
	}
	if told(nil, false) != nil {
		t.Error("nothing is an error")
	}
}
