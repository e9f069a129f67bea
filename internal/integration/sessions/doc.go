// Package sessions tests the session manager on the servers that keep sessions, with
// processes of their own where several share one. The same tests run on memory, as far as
// one process can.
package sessions
