// Package peer runs stores and functions in processes of their own, for tests of what
// only several processes can show: two handles that share nothing but the server, a
// writer that is killed, eight that count together.
//
// The program that runs in them is the test itself. Its TestMain begins with Main,
// which never returns in such a process:
//
//	func TestMain(m *testing.M) {
//		peer.Main(func(ctx context.Context, arg string) (store.Store, error) {
//			return mystore.Open(ctx, arg)
//		}, map[string]peer.Func{"count": count})
//		os.Exit(m.Run())
//	}
//
//	s, err := peer.Start(ctx, "postgres://…")         // a store.Store
//	out, err := peer.Run(ctx, "count", "postgres://…") // what count wrote
//
// A store is served over the standard input and output of its process, in
// encoding/gob. Calls run side by side. Deadlines and cancellations go with them, and
// the errors of package store, of contexts and [errors.ErrUnsupported] are found by
// errors.Is in what comes back; of others the text is kept.
//
// No process outlives the one that started it, however that ends.
//
// # Caveats
//
// What a process writes to its standard error is shown only with the error of one that
// ended badly. The values and the cause of a context stay where they are. On Windows a
// function's process is not told when the one that started it is killed.
package peer
