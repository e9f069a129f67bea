package main

import (
	"bytes"
	"encoding/json"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/session"
)

var (
	visits = session.NewKey[int]("visits")
	notice = session.NewKey[string]("notice") // is shown once
)

// view is what a page shows, and what a program is told that asks for JSON.
type view struct {
	User   string `json:"user"`   // "" is nobody
	Visits int    `json:"visits"` // of pages, also before the login

	Error  string `json:"error,omitempty"`
	Notice string `json:"notice,omitempty"`
	Return string `json:"return,omitempty"` // where the login leads

	AuthenticatedAt time.Time `json:"authenticated_at,omitzero"`
	AuthenticatedBy string    `json:"authenticated_by,omitempty"`
	Ends            time.Time `json:"ends,omitzero"` // if nobody comes back
	Remembered      bool      `json:"remembered"`
	Devices         []device  `json:"devices,omitzero"`

	Page     string `json:"-"`
	Username string `json:"-"` // what the form is filled with
}

// look is what all pages show of a session.
func look(s *session.Session) *view {
	v := &view{User: s.Owner(), Visits: visits.Get(s), Remembered: s.Persistent(), Username: s.Owner()}
	if v.User != "" {
		v.AuthenticatedAt, v.AuthenticatedBy, v.Ends = s.AuthenticatedAt().UTC(), s.AuthenticatedBy(), s.Ends().UTC()
	}
	return v
}

// page answers a visit of a page, and counts it. Fill adds what the page has of its own.
func (a *app) page(name string, fill func(*http.Request, *session.Session, *view) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := session.From(r.Context())
		once := ""
		if err == nil && r.Method == http.MethodGet { // HEAD sees nothing of the page
			if err = count(s); err == nil {
				once, err = notice.Pop(s)
			}
		}
		if err != nil {
			a.fail(w, r, err)
			return
		}
		v := look(s)
		v.Notice = once
		if fill != nil {
			if err := fill(r, s, v); err != nil {
				a.fail(w, r, err)
				return
			}
		}
		show(w, r, http.StatusOK, name, v)
	}
}

// count saves at once, since the page shows the number: when another tab was quicker it
// is another one than Update has returned.
func count(s *session.Session) error {
	if _, err := visits.Update(s, func(n int) int { return n + 1 }); err != nil {
		return err
	}
	return s.Save()
}

// show answers with a page, or with JSON to who asks for it.
func show(w http.ResponseWriter, r *http.Request, code int, name string, v *view) {
	if wantsJSON(r) {
		sendJSON(w, code, v)
		return
	}
	v.Page = name
	sendPage(w, code, name, v)
}

// message is for what has no session: the answer must be possible without the store.
func message(w http.ResponseWriter, r *http.Request, code int, text string) {
	if wantsJSON(r) {
		sendJSON(w, code, map[string]string{"error": text})
		return
	}
	sendPage(w, code, "message", &view{Page: "message", Error: text})
}

func wantsJSON(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html")
}

func sendJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // fails when the client has gone
}

func sendPage(w http.ResponseWriter, code int, name string, v *view) {
	var b bytes.Buffer // so that a page that fails is not half a page
	if err := pages[name].Execute(&b, v); err != nil {
		slog.Error("page", "name", name, "error", err)
		http.Error(w, "This page cannot be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = b.WriteTo(w)
}

var pages = func() map[string]*template.Template {
	all := map[string]*template.Template{}
	for _, name := range []string{"home", "login", "welcome", "devices", "account", "message"} {
		all[name] = template.Must(template.New("layout.html").Funcs(template.FuncMap{
			"stamp": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
			"day":   func(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04 UTC") },
			"ago":   func(t time.Time) string { return ago(time.Since(t)) },
		}).ParseFS(files, "pages/layout.html", "pages/"+name+".html"))
	}
	return all
}()
