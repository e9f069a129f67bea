// Package proxy stands between a driver and its server, in the process of a test,
// and fails on command.
//
//	p, err := proxy.New("127.0.0.1:5432")
//	…
//	p.SetProtocol(proxy.Postgres)
//	undo := p.Fail(proxy.Fault{Kind: proxy.LoseReply, Between: func() { … }})
//	… // one write through p.Addr()
//	if undo() == 0 {
//		t.Error("the fault never struck")
//	}
//
// Without a protocol it is blind: it hands on bytes, and makes the faults that need
// no more. With a [Protocol], which knows where requests and replies begin and end, it
// can also lose one write, or the reply to one, and count errors. A protocol is a
// file of this package when several modules want it (mongo.go, orientdb.go, postgres.go,
// redis.go), and is a test's own otherwise.
//
// Without a fault it is as transparent as a proxy can be: a FIN is handed on as a
// FIN and a reset to the client as a reset, data that came before it first. A server
// that cannot be reached looks to the client like a reset, since its connection is
// open by then.
//
// # Caveats
//
// A frame is held in memory as a whole. A connection whose protocol turns into TLS is
// blind from there on. A write in a transaction of several statements is lost, or
// applied, as a statement: what the transaction comes to is another matter.
package proxy
