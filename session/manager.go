package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// Manager makes sessions of what a [store.Store] keeps. It is safe for use by many
// goroutines; make one for the whole program.
type Manager struct {
	store  store.Store
	opts   Options
	jar    jar
	queues [64]chan struct{} // of the requests that met a conflict, by session
	gates  [64]chan struct{} // of the logins, by owner
	warned atomic.Bool       // that http is not safe
}

// New returns a manager of the sessions in s, which stays the caller's to close. A
// nil opts is the default. It returns an error for options that a browser would
// silently refuse, or that would let a session live for ever.
func New(s store.Store, opts *Options) (*Manager, error) {
	if s == nil {
		return nil, errors.New("session: New wants a store; for a start memory.New(nil)")
	}
	m := &Manager{store: s}
	if opts != nil {
		m.opts = *opts
	}
	if err := m.opts.check(); err != nil {
		return nil, err
	}
	m.jar = newJar(&m.opts.Cookie)
	if _, ok := store.As[store.Lister](s); m.opts.MaxPerOwner.N > 0 && !ok {
		return nil, fmt.Errorf("session: Options.MaxPerOwner wants a store that can list an owner's sessions (store.Lister): %w", errors.ErrUnsupported)
	}
	if m.opts.OnError == nil {
		m.opts.OnError = unavailable
	}
	for i := range m.queues {
		m.queues[i] = make(chan struct{}, 1)
		m.gates[i] = make(chan struct{}, 1)
	}
	return m, nil
}

// Handler returns a handler that serves next with a session in each request's
// context, to be had by [From], and saves it before the response begins.
//
// Wrap the whole server with it, last. [http.TimeoutHandler] belongs inside: the
// other way round a client that got its time-out may have its session saved all
// the same.
func (m *Manager) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.serve(next, w, r) })
}

func (m *Manager) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	if m.scope(r.Context()) != nil {
		next.ServeHTTP(w, r) // wrapped twice: two sessions of one request would not know of each other
		return
	}
	served := new(served)
	sc := &served.scope
	sc.Context, sc.m, sc.r = r.Context(), m, r
	served.r = *r.WithContext(sc) // inlined here, it makes no request beside this one
	sc.w = response{ResponseWriter: w, scope: sc, encoding: w.Header()["Content-Encoding"]}
	defer sc.w.answered()
	next.ServeHTTP(&sc.w, &served.r)
	// After a panic nothing is saved: this line is not reached.
	_ = sc.w.begin() // the error was answered
}

// From returns the session of a request, asking the store the first time. The
// context is that of a request served through [Manager.Handler]; where several
// managers are nested, the session is the innermost one's.
//
// A request that has no valid cookie has a new, empty session. A store that fails
// is an error, which [Manager.Error] answers, and never an empty session. Once the
// response has begun the first call returns [ErrCommitted]. Without the handler it
// returns [ErrNoHandler].
func From(ctx context.Context) (*Session, error) {
	if sc, ok := ctx.Value(scopeKey{}).(*scope); ok {
		return sc.session(ctx)
	}
	return nil, ErrNoHandler
}

// From is [From] for the session of this manager, where several are nested.
func (m *Manager) From(ctx context.Context) (*Session, error) {
	if sc := m.scope(ctx); sc != nil {
		return sc.session(ctx)
	}
	return nil, ErrNoHandler
}

// Error answers a request whose session cannot be had: by [Options.OnError], or
// with 503 Service Unavailable. The cookie stays as it is.
func (m *Manager) Error(w http.ResponseWriter, r *http.Request, err error) {
	a := answer{ResponseWriter: w}
	m.opts.OnError(&a, r, err)
	if !a.begun {
		unavailable(w, r, err)
	}
}

func unavailable(w http.ResponseWriter, _ *http.Request, _ error) {
	noStore(w.Header())
	http.Error(w, "The session cannot be reached at the moment. Please try again.", http.StatusServiceUnavailable)
}

// String tells nothing of what the manager holds (SEC-28).
func (m *Manager) String() string { return "session.Manager" }

// GoString is String.
func (m *Manager) GoString() string { return m.String() }

func (m *Manager) now() time.Time {
	if m.opts.Now != nil {
		return m.opts.Now()
	}
	return time.Now()
}

// served is what is made for one request, in one allocation. The request that the
// handler is given is no part of the scope: with that its cookie would be printed by who
// prints the writer (SEC-28).
type served struct {
	scope scope
	r     http.Request
}

// scope is one request. It is the context of the request that the handler is given too.
type scope struct {
	context.Context
	m    *Manager
	r    *http.Request
	w    response
	vary [1]string // the header's, if the response has no other

	passive bool // the life is not extended
	lenient bool // a store that fails is an empty session that cannot be changed

	mu    sync.Mutex
	asked atomic.Bool // for the session: s and err are set, and stay
	s     *Session
	err   error
}

// scopeKey finds the scope of a manager, or the innermost one for nil.
type scopeKey struct{ m *Manager }

func (m *Manager) scope(ctx context.Context) *scope {
	sc, _ := ctx.Value(scopeKey{m}).(*scope)
	return sc
}

// String is for those who print a context.
func (sc *scope) String() string { return "session.Handler" }

// Value implements [context.Context].
func (sc *scope) Value(key any) any {
	if k, ok := key.(scopeKey); ok && (k.m == nil || k.m == sc.m) {
		return sc
	}
	return sc.Context.Value(key)
}

// session asks the store once, whatever comes of it.
func (sc *scope) session(ctx context.Context) (*Session, error) {
	// Without the lock, which is held while the session is saved: the function of an
	// Update that runs again then may ask for it.
	if sc.asked.Load() {
		return sc.s, sc.err
	}
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if !sc.asked.Load() {
		if sc.w.begun() {
			return nil, ErrCommitted
		}
		sc.s, sc.err = sc.load(ctx)
		sc.asked.Store(true)
	}
	return sc.s, sc.err
}
