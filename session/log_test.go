package session_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/conformance/faulty"
	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/store"
)

// peek remembers the context that the store is called with.
type peek struct {
	store.Store
	ctx context.Context
}

func (p *peek) Load(ctx context.Context, id string) (store.Entry, error) {
	p.ctx = ctx
	return p.Store.Load(ctx, id)
}

// SEC-28: nothing that the package hands out tells an id, a key of the store, a value or
// an owner, whatever the verb and the logger.
func TestSEC28NothingIsPrinted(t *testing.T) {
	st := newSite(t, session.Options{})
	b := st.browser()
	b.use(func(s *session.Session) error {
		return errors.Join(name.Set(s, "s3cret"), s.SetOwner("alice"), s.SetDevice("Firefox"))
	})
	p := &peek{Store: st.store}
	var events []session.Event
	m, err := session.New(p, &session.Options{Events: func(_ context.Context, e session.Event) { events = append(events, e) }})
	if err != nil {
		t.Fatal(err)
	}
	value := b.value()
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	secrets := forms(value)
	for l := range st.store.List(ctx, store.Query{}) {
		secrets = append(secrets, forms(l.ID)...)
	}
	for _, word := range []string{"s3cret", "alice", "Firefox"} {
		secrets = append(secrets, word, fmt.Sprintf("%x", word), fmt.Sprintf("%X", word), strings.Trim(fmt.Sprint([]byte(word)), "[]"), base64.StdEncoding.EncodeToString([]byte(word))[:6])
	}
	secrets = append(secrets, strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", raw), "[]byte{"), "}"))
	printed := 0
	tell := func(what, text string) {
		t.Helper()
		printed++
		for i, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s tells secret %d", what, i) // but not here
				return
			}
		}
	}
	show := func(what string, v any) {
		t.Helper()
		type holder struct{ V any }
		type hidden struct{ v any }
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "% x", "%o", "%b", "%c", "%U", "%e", "%t"} {
			tell(what+" by "+verb, fmt.Sprintf(verb, v))
			tell(what+" in a struct by "+verb, fmt.Sprintf(verb, holder{v}))
			tell(what+" in a slice by "+verb, fmt.Sprintf(verb, []any{v}))
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%d", "%x", "%X"} { // go vet refuses the others here
			tell(what+" hidden in a struct by "+verb, fmt.Sprintf(verb, hidden{v}))
		}
		var out bytes.Buffer
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(h).Error("it", "value", v, "holder", holder{v})
		}
		tell(what+" by slog", out.String())
		if _, ok := v.(context.Context); !ok { // JSON of a request's context is JSON of the request
			text, _ := json.Marshal(v)
			tell(what+" as JSON", string(text))
		}
	}
	use := func(f func(w http.ResponseWriter, r *http.Request, s *session.Session)) {
		b.site = &site{t: t, store: st.store, manager: m}
		b.clone().do(func(w http.ResponseWriter, r *http.Request) { f(w, r, load(t, r)) })
	}
	use(func(w http.ResponseWriter, r *http.Request, s *session.Session) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%c"} {
			if got := fmt.Sprintf(verb+" "+verb, s, m); got != "session.Session session.Manager" {
				t.Errorf("by %s: more than the names", verb)
			}
		}
		show("the session", s)
		show("the manager", m)
		show("the request's context", r.Context())
		show("a context of it", context.WithValue(r.Context(), peek{}, 1))
		show("the writer", w)
		show("what is below it", w.(interface{ Unwrap() http.ResponseWriter }).Unwrap())
		show("the store's context", p.ctx)
		asInt := session.NewKey[int]("name")
		_, _, err := asInt.Lookup(s)
		show("an error of decoding", err)
		show("a key", asInt)
		asInt.Get(s)
	})
	for _, verb := range []string{faulty.Load, faulty.Update, faulty.Touch} {
		undo := st.store.Fail(faulty.Fault{Verb: verb})
		b.do(func(_ http.ResponseWriter, r *http.Request) {
			s, err := session.From(r.Context())
			if err == nil {
				err = errors.Join(name.Set(s, "s3cret2"), s.Renew(0), s.Save())
			}
			show("an error of "+verb, err)
		})
		if undo() == 0 && verb != faulty.Touch {
			t.Errorf("%s: the fault did not strike", verb)
		}
	}
	if len(events) < 2 {
		t.Errorf("%d events", len(events))
	}
	for _, e := range events {
		show("the event "+string(e.Kind), e)
	}
	if printed < 500 {
		t.Errorf("only %d texts were seen", printed)
	}
}

func TestLevels(t *testing.T) {
	for level, kinds := range map[slog.Level][]session.Kind{
		slog.LevelDebug: {session.UnknownID, session.Conflict, session.Gone, session.Expired},
		slog.LevelInfo:  {session.Created, session.Renewed, session.Ended, session.EndedAll},
		slog.LevelWarn:  {session.Reused, session.Malformed, session.Ambiguous, session.Limit, session.Unreadable, session.Bypassed, session.Insecure},
		slog.LevelError: {session.LoadError, session.TouchError, session.SaveError},
	} {
		for _, k := range kinds {
			if k.Level() != level {
				t.Errorf("%s: %v, want %v", k, k.Level(), level)
			}
		}
	}
	// A session that the store did not end though it should is not daily business.
	var out bytes.Buffer
	log := session.Log(slog.New(slog.NewTextHandler(&out, nil)))
	for _, k := range []session.Kind{session.Expired, session.Reused, session.Bypassed} {
		log(ctx, session.Event{Kind: k, Err: errors.New("why")})
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		_, level, _ := strings.Cut(line, "level=")
		level, _, _ = strings.Cut(level, " ")
		got = append(got, level)
	}
	if !slices.Equal(got, []string{"ERROR", "ERROR", "WARN"}) {
		t.Errorf("with an error: %v", got)
	}
}
