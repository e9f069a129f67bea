// Package session gives a program of net/http sessions that are kept in any
// [store.Store].
//
// The browser keeps one cookie with a random id. Everything else stays on the
// server:
//
//	var visits = session.NewKey[int]("visits")
//
//	sessions, err := session.New(memory.New(nil), nil)
//	…
//	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
//		s, err := session.From(r.Context())
//		if err != nil {
//			sessions.Error(w, r, err)
//			return
//		}
//		n, err := visits.Update(s, func(n int) int { return n + 1 })
//		…
//	})
//	http.ListenAndServe(addr, sessions.Handler(http.DefaultServeMux))
//
// # When the store is asked
//
// The store is asked when a handler first calls [From], and a session is saved
// before the first byte of the response goes out: a client never sees an answer
// that rests on a write which was then lost. A request that does not ask for its
// session costs no call of the store and no header. A new session into which
// nothing was written is never stored and sets no cookie; an unchanged one is not
// written, and its life is extended at most once in a tenth of the idle timeout.
//
// The store is called with the request's values and its deadline, but not its
// cancellation, for at most [Options.Timeout]: a client that goes away neither
// loses a save nor costs the store's pool a connection.
//
// # Concurrent requests
//
// Changes are kept as operations on one key each. If another request was quicker,
// the operations are applied to what that one left, and saved again: two requests
// that write different keys both win, and two that add 1 add 2. A session that was
// ended meanwhile stays ended: the changes are dropped, no cookie is set, and
// [Session.Save] returns [ErrGone].
//
// # When the store fails
//
// A failing store is never "no session". [From] returns the error, or the answer is
// that of [Options.OnError] when the save fails, and the cookie stays as it is.
//
// # What the store sees
//
// The store's id is the SHA-256 of the cookie's 32 random bytes, in base64url, so
// that nobody can log in with what stands in a database. The data is in the wire
// format of Protocol Buffers (protoc --decode_raw reads it), each value as JSON:
//
//	message Session {
//	  uint32 version = 1; // 1
//	  uint64 began = 2;   // milliseconds since 1970
//	  repeated Value values = 3;
//	}
//	message Value {
//	  string key = 1;
//	  bytes json = 2;
//	}
//
// Fields that are not known are kept.
//
// # Caveats
//
// Lifetimes are judged by the store's clock, except the absolute timeout, which
// follows the clocks of the servers that run this package. After a write whose
// outcome the store cannot find out ([store.ErrUnknown]) nothing is tried again:
// the client is told, and what it finds at its next request is what happened.
package session
