// Package conformance finds out whether a store keeps the contract of package
// store, and names the requirement that it breaks.
//
// A new backend's test says how to make a store and what only its author can do
// to it:
//
//	func TestConformance(t *testing.T) {
//		conformance.Run(t, func(tb testing.TB) conformance.Subject {
//			db := open(tb) // an empty table of its own
//			return conformance.Subject{
//				Store: mystore.New(db),
//				Age: func(ctx context.Context, d time.Duration) error {
//					_, err := db.ExecContext(ctx, `UPDATE sessions SET expires = expires - ?`, d.Milliseconds())
//					return err
//				},
//			}
//		})
//	}
//
// A failure prints the requirement's id and sentence, what was got and what is
// wanted, and the last calls. [Verify] runs the same without go test, and [Main]
// is a whole command.
//
// # Levels
//
// A store reaches a [Level] when it keeps every requirement of it. What cannot be
// tested because a field of [Subject] is missing is skipped with that reason, and
// the level is not reached. What does not concern a store stands in no level's way:
// a limit (MaxData), a background sweeper (Sweeping) or an index apart from the
// records (LoseIndex) that it does not have. Neither does a part of a requirement
// that could not be tested; the report notes it. [Claim] says which levels a store is held
// to, and [Strict] turns a skip within them into a failure.
//
// # Editions
//
// What a green run means does not change behind an author's back: an [Edition] is
// a frozen list of requirements, and what is newer is reported and fails nothing.
package conformance
