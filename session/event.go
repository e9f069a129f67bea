package session

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
)

// Event is something that [Options.Events] is told. It holds no id and no data.
type Event struct {
	Kind Kind
	Err  error // why, where the kind says so; nil otherwise
}

// Kind is what happened.
type Kind string

// The kinds of events.
const (
	Created    Kind = "created"    // a session was stored for the first time
	Renewed    Kind = "renewed"    // a session has got another id
	Ended      Kind = "ended"      // a session was ended: by Destroy, End, EndOthers, or as the oldest over MaxPerOwner
	EndedAll   Kind = "ended all"  // EndAll was called
	Expired    Kind = "expired"    // a cookie named a session whose absolute timeout is over, and it was deleted; Err says why that failed
	Gone       Kind = "gone"       // a session ended while a request was using it; that request's changes are dropped
	UnknownID  Kind = "unknown id" // a cookie named no session: expired, ended, or not issued by us
	Reused     Kind = "reused"     // a cookie named an id that was given up in a renewal; Err says why EndOnReuse failed
	Malformed  Kind = "malformed"  // a cookie of our name held what no id looks like; the store was not asked
	Ambiguous  Kind = "ambiguous"  // a request had more than one cookie of our name; none was used
	Limit      Kind = "limit"      // a login was over MaxPerOwner: it was refused, or older sessions were ended
	Conflict   Kind = "conflict"   // another request was quicker, and the changes were merged
	Unreadable Kind = "unreadable" // a value does not decode as its key's type; Err says why
	LoadError  Kind = "load"       // a session could not be loaded, and OrAnonymous went on without it; Err says why
	TouchError Kind = "touch"      // a life could not be extended; Err says why, and the request went on
	SaveError  Kind = "save"       // a session could not be saved, and OnError answered; Err says why
	Bypassed   Kind = "bypassed"   // the response was written past the writer of Handler, before the session was saved; Err says what to do
	Insecure   Kind = "insecure"   // the first request over plain http from elsewhere than this machine; Err says what to do
)

// tell passes on an event. The context is that of the request before it had a
// session: a function that asked for it here would wait for itself.
func (sc *scope) tell(kind Kind, err error) { sc.m.tell(sc.Context, kind, err) }

func (m *Manager) tell(ctx context.Context, kind Kind, err error) {
	if m.opts.Events != nil {
		m.opts.Events(ctx, Event{Kind: kind, Err: err})
	}
}

// advise tells once that a browser will not keep the cookie, or that anybody on the
// way can take it: which of them depends on the browser.
func (m *Manager) advise(sc *scope) {
	if m.opts.Events == nil || m.opts.Cookie.PlainHTTP || m.warned.Load() || !plain(sc.r) {
		return
	}
	if !m.warned.Swap(true) {
		sc.tell(Insecure, errors.New("session: served over plain http beyond this machine, where browsers refuse the cookie: use https, or have the proxy in front send X-Forwarded-Proto"))
	}
}

// plain reports whether a request came over plain http from elsewhere. A proxy in
// front that ended the encryption says so.
func plain(r *http.Request) bool {
	first, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Proto"), ",") // of several proxies, the one that the browser asked
	forwarded := strings.ReplaceAll(strings.ToLower(r.Header.Get("Forwarded")), `"`, "")
	if r.TLS != nil || strings.EqualFold(strings.TrimSpace(first), "https") || strings.Contains(forwarded, "proto=https") {
		return false
	}
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && !addr.Addr().Unmap().IsLoopback()
}
