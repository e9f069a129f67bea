// Package sessiontest is for testing handlers that use sessions: with the program's own
// manager, over memory.New(nil) or any other store, and without a server or network.
//
// [Client] is a browser of a whole handler, with a session that holds whatever the test
// wants:
//
//	client := sessiontest.NewClient(site)
//	err := client.Use(sessions, func(s *session.Session) error { return s.SetOwner("user:42") })
//	w := client.Get("/welcome")
//
// [Request] is for a handler by itself: its context carries a session.
package sessiontest
