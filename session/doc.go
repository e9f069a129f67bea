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
// # Logging in and out
//
// Once it is proved who is there:
//
//	err := errors.Join(s.SetOwner("user:42"), s.MarkAuthenticated("password"))
//
// The session gets another id, and the one before is worth nothing ([Session.Renew]).
// [Session.Destroy] is the logout. [Manager.Require] and [Manager.RequireFresh] keep
// pages for those who are logged in, or have been for not long; [Session.SetPersistent]
// and [Session.SetLifetime] are "remember me"; [Manager.Passive] is for pages that ask by
// themselves and must not keep anybody logged in.
//
// # Devices
//
// [Manager.List] shows an owner's sessions, with what [Session.SetDevice] noted of each;
// [Manager.End] ends one by its handle, and [Manager.EndOthers] all but the one at hand.
// [Options.MaxPerOwner] limits how many there are.
//
// # Deleting a user
//
// End their sessions first, then delete the account, and end the sessions again: a login
// that was under way in between would leave one behind.
//
//	err := sessions.EndAll(ctx, "user:42")
//
// Nothing else of the user is kept here, but a forward for each id that was renewed: it
// holds no values, and is gone after a day.
//
// # When the store fails
//
// A failing store is never "no session". [From] returns the error, or the answer is
// that of [Options.OnError] when the save fails, and the cookie stays as it is.
// [Manager.OrAnonymous] is for pages that are of use without a session.
//
// # Caches
//
// An answer that depended on the session has Vary: Cookie, and one that hands out a
// cookie has Cache-Control: no-store. What else may be kept, in the browser too, is the
// handler's to say: a page that nobody should see by the Back button after the logout
// wants no-store.
//
// # What the store sees
//
// The store's id is the SHA-256 of the cookie's 32 random bytes, in base64url, so
// that nobody can log in with what stands in a database. The owner is kept beside the
// data, which is in the wire format of Protocol Buffers (protoc --decode_raw reads it),
// each value as JSON. Times are milliseconds since 1970, lifetimes milliseconds, and what
// is zero is left out:
//
//	message Session {
//	  uint32 version = 1; // 1
//	  uint64 began = 2;
//	  repeated Value values = 3;
//	  uint64 seen = 4; // when this was last written
//	  uint64 authenticated_at = 5;
//	  string authenticated_by = 6;
//	  bool persistent = 7;
//	  uint64 idle = 8;
//	  uint64 absolute = 9;
//	  string handle = 10;
//	  string device = 11;
//	  uint64 since = 12; // when it became this owner's
//	  Forward forward = 13; // there is no session here, or not any more
//	  reserved 15; // the public key of a device, for sessions that are bound to one
//	}
//	message Value {
//	  string key = 1;
//	  bytes json = 2;
//	}
//	message Forward {
//	  string to = 1; // the store's id of the session
//	  uint64 renewed = 2;
//	  uint64 grace = 3;
//	  uint64 keep = 4; // what the store keeps this for after the grace
//	}
//
// Fields that are not known are kept. Forwards are records like any other: the store's
// own listing and counting has them too, as it has the record that [Options.MaxPerOwner]
// locks an owner's logins with.
//
// # Caveats
//
// Lifetimes are judged by the store's clock, except the absolute timeout, which
// follows the clocks of the servers that run this package. After a write whose
// outcome the store cannot find out ([store.ErrUnknown]) nothing is tried again:
// the client is told, and what it finds at its next request is what happened.
//
// A renewal takes three writes. If the program is killed between them, or the store
// fails for good, the session is over: the person logs in again, and no id is good that
// should not be.
//
// [From] cannot tell a cookie that was taken along by malware from the owner's own.
// Ids are as safe as the browser that keeps them.
package session
