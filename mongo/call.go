package mongo

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/sojourn-go/sojourn/internal/call"
)

var (
	reads  = call.Reads
	writes = call.Writes
	looks  = call.Kind{Patience: 1, Ends: true} // for what is to be swept
	sweeps = call.Kind{Patience: 1, Ends: true, Writes: true}
	scans  = call.Kind{Patience: 30, Ends: true} // looks at every document
)

func (s *Store) check(err error) error             { return s.calls.Check(err) }
func (s *Store) fail(verb string, err error) error { return s.calls.Fail(verb, err) }

// run calls f until it was answered; see [call.Caller.Run].
//
// The driver repeats too, while there is time, unless the client's RetryWrites is off or
// the server is neither a replica set nor a mongos. Its repeats of a write have one number,
// by which the server tells that it has applied it, and answers as it did the first time:
// they never turn "applied" into "conflict". Nor does it repeat an update or delete of many.
func (s *Store) run(ctx context.Context, k call.Kind, f func(ctx context.Context, unsure bool) error) error {
	return s.calls.Run(ctx, k, func(attempt context.Context, unsure bool) (call.Verdict, error) {
		if err := ctx.Err(); err != nil {
			return call.Final, err // nobody waits for it any more
		}
		if mongo.SessionFromContext(attempt) != nil {
			// The caller's transaction is not ours: what it rolls back was not told so.
			attempt = mongo.NewSessionContext(attempt, nil)
		}
		err := f(attempt, unsure)
		if err == nil || call.Answered(err) {
			return call.Final, err
		}
		return judge(err), err
	})
}
