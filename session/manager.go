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
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.scope(r.Context()) != nil {
			next.ServeHTTP(w, r) // wrapped twice: two sessions of one request would not know of each other
			return
		}
		sc := &scope{Context: r.Context(), m: m, r: r}
		sc.w = response{ResponseWriter: w, scope: sc, encoding: w.Header()["Content-Encoding"]}
		defer sc.w.answered()
		next.ServeHTTP(&sc.w, r.WithContext(sc))
		// After a panic nothing is saved: this line is not reached.
		_ = sc.w.begin() // the error was answered
	})
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

// scope is one request. It is the request's context too, which spares an
// allocation for each request.
type scope struct {
	context.Context
	m *Manager
	r *http.Request
	w response

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

func (sc *scope) load(ctx context.Context) (*Session, error) {
	m := sc.m
	value, n := m.jar.read(sc.r.Header)
	m.advise(sc)
	s := &Session{scope: sc, sent: n > 0}
	s.base.began = m.now().Truncate(time.Millisecond)
	switch n {
	case 0:
		return s, nil
	case 1:
	default:
		sc.tell(Ambiguous, nil) // their order means nothing (RFC 6265bis), so none can be preferred
		return s, nil
	}
	i, ok := parseID(value)
	if !ok {
		sc.tell(Malformed, nil)
		return s, nil
	}
	bounded, cancel := m.storeContext(ctx)
	defer cancel()
	f, err := m.find(bounded, i.key())
	switch {
	case errors.Is(err, errRenewed):
		s.former = i.key()
		if m.opts.EndOnReuse {
			_, err := m.kill(bounded, i.key(), "")
			sc.tell(Reused, err)
		} else {
			sc.tell(Reused, nil)
		}
		return s, nil
	case errors.Is(err, store.ErrNotFound):
		s.former = i.key() // of a session that is being renewed, if of any
		sc.tell(UnknownID, nil)
		return s, nil
	case err != nil && sc.lenient:
		s.down = err
		sc.tell(LoadError, err)
		return s, nil
	case err != nil:
		return nil, err
	}
	if m.life(&f.record) <= 0 {
		// The store would keep it until it is idle. If it cannot be deleted now it
		// is refused all the same, each time.
		sc.tell(Expired, m.store.Delete(bounded, f.key))
		return s, nil
	}
	s.id = i
	s.found(f, nil)
	return s, nil
}

// found is a session as it was read.
type found struct {
	record
	key       string
	rev       store.Revision
	ttl       time.Duration
	forwarded bool // it was asked for by an id that it had before
}

// errRenewed means that an id was given up in a renewal, and is worth nothing now.
var errRenewed = errors.New("session: the id was renewed")

// maxHops is how many renewals a chain of grace periods may have.
const maxHops = 8

// find reads the session under key, or what became of it in a renewal whose grace
// period is not over. A renewal makes the forward before what it leads to, which is
// waited for.
func (m *Manager) find(ctx context.Context, key string) (f found, err error) {
	const patience = 12
	for hop, try := 0, 2; ; {
		e, err := m.store.Load(ctx, key)
		if errors.Is(err, store.ErrNotFound) && hop > 0 && try < patience {
			if _, err := m.wait(ctx, 0, try, nil); err == nil {
				try++
				continue
			}
		}
		if err != nil {
			return found{}, fmt.Errorf("session: load: %w", err)
		}
		rec, err := decode(e.Data)
		if err != nil {
			return found{}, err
		}
		if rec.forward == nil {
			rec.owner = e.Owner
			m.straighten(&rec)
			return found{record: rec, key: key, rev: e.Revision, ttl: e.TTL, forwarded: hop > 0}, nil
		}
		switch {
		case rec.forward.to == "": // it has ended
			return found{}, fmt.Errorf("session: load: %w", store.ErrNotFound)
		case !m.inGrace(rec.forward, e.TTL):
			return found{}, errRenewed
		case hop == maxHops: // nobody has misused the id
			return found{}, fmt.Errorf("session: load: %d renewals since: %w", hop, store.ErrNotFound)
		}
		key = rec.forward.to
		hop++
	}
}

// straighten has a session begin now that says it began in the future, by more than the
// clocks may differ: it would outlive the absolute timeout. The next save keeps it.
func (m *Manager) straighten(r *record) {
	now := m.now()
	latest := now.Add(m.opts.maxSkew())
	if r.began.After(latest) {
		r.began, r.skewed = milliseconds(now), true
	}
	if r.since.After(latest) {
		r.since, r.skewed = milliseconds(now), true
	}
}

// inGrace reports whether a forward still stands for the session. The store's clock
// says so; but a touch that comes late, from a request that knows nothing of the
// renewal, gives the forward a longer life, so this server's clock is asked too: alone,
// where the life shows that there was such a touch.
func (m *Manager) inGrace(f *forward, left time.Duration) bool {
	if f.grace <= 0 || left <= f.keep {
		return false
	}
	ends := f.renewed.Add(f.grace)
	if left <= f.grace+f.keep+precision {
		ends = ends.Add(m.opts.maxSkew())
	}
	return m.now().Before(ends)
}

// timeouts are a session's own, or the manager's. 0 is none.
func (m *Manager) timeouts(x *meta) (idle, absolute time.Duration) {
	idle, absolute = m.opts.idle(), m.opts.absolute()
	if x.idle > 0 {
		idle = min(x.idle, m.opts.maxLife())
	}
	if x.absolute > 0 {
		absolute = min(x.absolute, m.opts.maxLife())
	}
	return idle, absolute
}

// life is the lifetime to ask of the store: what is left of the absolute one, and
// at most the idle one. It is 0 or less when the session is over.
func (m *Manager) life(r *record) time.Duration {
	idle, absolute := m.timeouts(&r.meta)
	if absolute == 0 {
		return idle
	}
	began := r.began
	if r.since.After(began) {
		began = r.since // another's session, which keeps the values
	}
	left := absolute - max(m.now().Sub(began), 0)
	if idle > 0 {
		left = min(left, idle)
	}
	return left
}

// encode is the record as it is stored, unless it is too large (SEC-22).
func (m *Manager) encode(r *record) ([]byte, error) {
	if err := m.opts.fits(len(r.values), r.size()); err != nil {
		return nil, err
	}
	r.seen = m.now().Truncate(time.Millisecond)
	return r.encode(), nil
}
