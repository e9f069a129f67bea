package session

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Passive returns a handler that serves next without extending the life of the
// session, for requests that a page makes by itself: an open tab that polls must not
// keep somebody logged in for ever. Next may read the session, and write to it.
func (m *Manager) Passive(next http.Handler) http.Handler {
	return m.route(next, func(sc *scope) { sc.passive = true })
}

// OrAnonymous returns a handler that serves next also when the store fails: From
// then returns an empty session, of which [Session.Err] tells why and which refuses
// every change with that error. It is for pages that are of use to everybody. The
// cookie stays as it is. It must be around the first that asks for the session.
func (m *Manager) OrAnonymous(next http.Handler) http.Handler {
	return m.route(next, func(sc *scope) { sc.lenient = true })
}

// Err returns why the session could not be loaded where [Manager.OrAnonymous] went on
// without it, and nil otherwise.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.down
}

// route sets something for one request, before its session is asked for.
func (m *Manager) route(next http.Handler, set func(*scope)) http.Handler {
	within := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sc := m.scope(r.Context())
		sc.mu.Lock()
		set(sc)
		sc.mu.Unlock()
		next.ServeHTTP(w, r)
	})
	return m.Handler(within) // which passes the request on if it is served through it already
}

// Require returns a handler that serves next to those who are logged in, and
// otherwise to everybody else: [LoginAt], or one of your own. Logged in means that the
// session has an owner ([Session.SetOwner]).
func (m *Manager) Require(next, otherwise http.Handler) http.Handler {
	return m.require(next, otherwise, func(*Session) bool { return true })
}

// RequireFresh is Require for pages that want a proof of who is there not longer ago
// than within ([Session.MarkAuthenticated]), such as a change of password.
func (m *Manager) RequireFresh(within time.Duration, next, otherwise http.Handler) http.Handler {
	return m.require(next, otherwise, func(s *Session) bool {
		at := s.AuthenticatedAt()
		age := m.now().Sub(at)
		return !at.IsZero() && age <= within && age >= -m.opts.maxSkew()
	})
}

func (m *Manager) require(next, otherwise http.Handler, enough func(*Session) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := m.From(r.Context())
		switch {
		case errors.Is(err, ErrNoHandler): // it was forgotten around the server
			m.Handler(m.require(next, otherwise, enough)).ServeHTTP(w, r)
		case err != nil:
			m.Error(w, r, err)
		case s.Owner() != "" && enough(s):
			next.ServeHTTP(w, r)
		case s.Err() != nil:
			m.Error(w, r, s.Err()) // who is there cannot be known
		default:
			otherwise.ServeHTTP(w, r)
		}
	})
}

// LoginAt returns a handler that sends people to the login page at path, and tells
// programs that they are not logged in: a browser that wants a page is answered 303,
// with the way back in the query ("return", see [ReturnPath]); htmx gets HX-Redirect;
// who asks for JSON, or from a script, gets 401.
func LoginAt(path string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Accept, HX-Request, Sec-Fetch-Mode, X-Requested-With")
		back := ""
		switch {
		case r.Header.Get("HX-Request") == "true":
			if u, err := url.Parse(r.Header.Get("HX-Current-URL")); err == nil && u.Host == r.Host {
				back = u.RequestURI()
			}
			h.Set("HX-Redirect", withReturn(path, back))
			unauthorized(w)
		case program(r):
			unauthorized(w)
		default:
			if r.Method == http.MethodGet || r.Method == http.MethodHead {
				back = asked(r)
			}
			noStore(h)
			http.Redirect(w, r, withReturn(path, back), http.StatusSeeOther)
		}
	})
}

// asked is what the browser has asked for, also where [http.StripPrefix] has taken off
// the beginning.
func asked(r *http.Request) string {
	if local(r.RequestURI) {
		return r.RequestURI
	}
	return r.URL.RequestURI() // of a request in the form for proxies, or one that a program has made
}

func unauthorized(w http.ResponseWriter) {
	noStore(w.Header())
	w.Header().Set("WWW-Authenticate", "Cookie") // a 401 must name a scheme (RFC 9110); browsers ask nobody for this one
	http.Error(w, "Not logged in.", http.StatusUnauthorized)
}

// program reports whether a redirect would be lost on who asks.
func program(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	mode := r.Header.Get("Sec-Fetch-Mode")
	return strings.Contains(accept, "json") && !strings.Contains(accept, "text/html") ||
		mode != "" && mode != "navigate" || r.Header.Get("X-Requested-With") == "XMLHttpRequest"
}

func withReturn(path, back string) string {
	if !local(back) {
		return path
	}
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	return path + sep + "return=" + url.QueryEscape(back)
}

// maxReturn is the longest way back. Escaped, it still fits into the 8,000 bytes that RFC
// 9110 asks everybody to take: one that does not would keep people from the login.
const maxReturn = 2048

// ReturnPath returns where to send somebody after the login: the form value or query
// parameter "return" if it is a path on this host of at most 2,048 bytes, and otherwise
// fallback. Anything that could lead elsewhere is not taken.
func ReturnPath(r *http.Request, fallback string) string {
	if back := r.FormValue("return"); local(back) {
		return back
	}
	return fallback
}

// local reports whether browsers take a reference for a path on the same host: they
// read \ as /, and leave out tabs and line ends.
func local(ref string) bool {
	if len(ref) > maxReturn || !strings.HasPrefix(ref, "/") || strings.HasPrefix(ref, "//") || strings.ContainsFunc(ref, func(r rune) bool { return r <= ' ' || r == '\\' || r == 0x7f }) {
		return false
	}
	u, err := url.Parse(ref)
	return err == nil && u.Host == "" && u.Scheme == ""
}
