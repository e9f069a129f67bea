package main

import (
	"embed"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/sojourn-go/sojourn/session"
)

//go:embed pages static
var files embed.FS

const (
	maxBody = 16 << 10        // bytes of a form
	recent  = 5 * time.Minute // how old the login may be for what matters most
)

// app is the site.
type app struct {
	sessions *session.Manager
	users    users
	mux      *http.ServeMux
}

// site is the whole of it, from the outside to the inside: the headers that every answer
// has, also one that says that the store is down; the sessions; the check that a form
// comes from a page of ours, which is what keeps other sites from using the cookie.
func site(sessions *session.Manager, users users) http.Handler {
	a := &app{sessions, users, http.NewServeMux()}
	login := http.HandlerFunc(a.loginFirst)
	private := func(h http.HandlerFunc) http.Handler { return sessions.Require(h, login) }

	a.mux.Handle("GET /{$}", a.page("home", nil))
	a.mux.Handle("GET /auth/login", a.page("login", askPassword))
	a.mux.HandleFunc("POST /auth/login", a.login)
	a.mux.HandleFunc("POST /auth/logout", a.logout)
	a.mux.Handle("GET /welcome", private(a.page("welcome", nil)))
	a.mux.Handle("GET /devices", private(a.page("devices", a.listDevices)))
	a.mux.Handle("POST /devices/end", private(a.endDevice))
	a.mux.Handle("POST /devices/end-others", private(a.endOthers))
	a.mux.Handle("GET /account", sessions.RequireFresh(recent, a.page("account", nil), login))
	a.mux.Handle("GET /static/", static())

	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		message(w, r, http.StatusForbidden, "This request came from a page of another site.")
	}))
	return secure(sessions.Handler(protection.Handler(http.MaxBytesHandler(a, maxBody))))
}

// secure sets what a browser is to know of every answer.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin") // no-referrer would take the Origin from our own forms too
		h.Set("Cache-Control", "no-store")      // Back after the logout must not show what was there before
		h.Set("Vary", "Accept")                 // each page is JSON too
		next.ServeHTTP(w, r)
	})
}

// static are the files that are the same for everybody. They do not ask for the
// session, and so cost no call of the store.
func static() http.Handler {
	sub, err := fs.Sub(files, "static")
	if err != nil {
		panic(err) // it is compiled in
	}
	serve := http.StripPrefix("/static/", http.FileServerFS(sub))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := fs.Stat(sub, r.URL.Path[len("/static/"):]); err != nil || r.URL.Path == "/static/" {
			message(w, r, http.StatusNotFound, "There is no such page.")
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=300")
		w.Header().Del("Vary")
		serve.ServeHTTP(w, r)
	})
}

// ServeHTTP answers what the mux has no handler for as the other pages look. The mux
// knows whether that is 404, or 405 and what is allowed.
func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, pattern := a.mux.Handler(r)
	if pattern != "" {
		a.mux.ServeHTTP(w, r)
		return
	}
	var s status
	h.ServeHTTP(&s, r)
	if s.code == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", s.Header().Get("Allow"))
		message(w, r, s.code, "This page is not asked for in that way.")
		return
	}
	message(w, r, http.StatusNotFound, "There is no such page.")
}

// status is a response of which only the head is kept.
type status struct {
	header http.Header
	code   int
}

func (s *status) Header() http.Header {
	if s.header == nil {
		s.header = http.Header{}
	}
	return s.header
}
func (s *status) WriteHeader(code int)        { s.code = code }
func (s *status) Write(b []byte) (int, error) { return len(b), nil }

// fail answers a request whose session failed it.
func (a *app) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, session.ErrGone) {
		// It was ended meanwhile, by another device for example. Asked again, the answer
		// is that of a visitor.
		back := "/"
		if r.Method == http.MethodGet {
			back = r.URL.RequestURI()
		}
		http.Redirect(w, r, back, http.StatusSeeOther)
		return
	}
	slog.ErrorContext(r.Context(), "no session", "error", err)
	a.sessions.Error(w, r, err)
}

// unavailable is what the visitor sees while the store is down. The cookie stays, and is
// good again when the store is.
func unavailable(w http.ResponseWriter, r *http.Request, _ error) {
	w.Header().Set("Retry-After", "5")
	message(w, r, http.StatusServiceUnavailable, "We cannot look up who you are at the moment. Please try again.")
}
