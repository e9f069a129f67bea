package main

import (
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"time"

	"github.com/sojourn-go/sojourn/session"
)

// remembered is how long somebody who wants to be remembered may stay away.
const remembered = 30 * 24 * time.Hour

// askPassword is the page with the form. Who is logged in may log in again: to be asked
// for the password where it matters, or as somebody else.
func askPassword(r *http.Request, _ *session.Session, v *view) error {
	v.Return = session.ReturnPath(r, "")
	return nil
}

func (a *app) login(w http.ResponseWriter, r *http.Request) {
	if !readForm(w, r) {
		return
	}
	name := r.PostFormValue("username")
	if !a.users.check(name, r.PostFormValue("password")) {
		slog.WarnContext(r.Context(), "login refused", "address", address(r)) // no name: some type the password there
		a.refuse(w, r)
		return
	}
	s, err := session.From(r.Context()) // after the password, which takes its time
	if err == nil {
		err = begin(s, r, name)
	}
	back := session.ReturnPath(r, "/welcome")
	switch {
	case errors.Is(err, session.ErrGone) && wantsJSON(r):
		message(w, r, http.StatusConflict, "The session was ended meanwhile. Please log in again.")
	case errors.Is(err, session.ErrGone): // or the form was sent twice: what is there then knows
		http.Redirect(w, r, back, http.StatusSeeOther)
	case err != nil:
		a.fail(w, r, err)
	case wantsJSON(r):
		v := look(s)
		v.Return = back
		sendJSON(w, http.StatusOK, v)
	default:
		http.Redirect(w, r, back, http.StatusSeeOther)
	}
}

// begin makes the session that of a user. All values stay; a site that keeps what is
// private to one user in them takes it out here when another one logs in.
func begin(s *session.Session, r *http.Request, name string) error {
	remember := slices.Contains([]string{"on", "1", "true", "yes"}, r.PostFormValue("remember"))
	idle := time.Duration(0) // the manager's
	if remember {
		idle = remembered
	}
	err := errors.Join(
		s.SetOwner(name),
		s.Renew(0), // also for who was logged in already, and may do more now
		s.MarkAuthenticated("password"),
		s.SetDevice(note(r)),
		s.SetPersistent(remember),
		s.SetLifetime(idle, 0),
	)
	if err != nil {
		return err
	}
	return s.Save() // the redirect says that it has worked
}

// refuse shows the form again. It is the same answer whether the name or the password
// was wrong.
func (a *app) refuse(w http.ResponseWriter, r *http.Request) {
	s, err := session.From(r.Context())
	if err != nil {
		a.fail(w, r, err)
		return
	}
	v := look(s)
	v.Error = "The user name or the password is wrong."
	v.Username, v.Return, v.Remembered = r.PostFormValue("username"), session.ReturnPath(r, ""), r.PostFormValue("remember") != ""
	w.Header().Set("WWW-Authenticate", "Cookie") // a 401 must name a scheme; browsers ask nobody for this one
	show(w, r, http.StatusUnauthorized, "login", v)
}

// loginFirst answers who may not see a page: people are sent to the login and come back.
func (a *app) loginFirst(w http.ResponseWriter, r *http.Request) {
	if !wantsJSON(r) {
		session.LoginAt("/auth/login").ServeHTTP(w, r)
		return
	}
	s, err := session.From(r.Context())
	if err != nil {
		a.fail(w, r, err)
		return
	}
	v := look(s)
	v.Error = "Not logged in."
	if v.User != "" {
		v.Error = "This wants a login of the last 5 minutes."
	}
	w.Header().Set("WWW-Authenticate", "Cookie")
	sendJSON(w, http.StatusUnauthorized, v)
}

// logout ends the session at the server too: a copy of the cookie is worth nothing.
func (a *app) logout(w http.ResponseWriter, r *http.Request) {
	s, err := session.From(r.Context())
	if err == nil {
		err = s.Destroy()
	}
	switch {
	case err != nil:
		a.fail(w, r, err)
	case wantsJSON(r):
		sendJSON(w, http.StatusOK, look(s))
	default:
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

// readForm reads what a form of ours sends, of at most maxBody, or answers.
func readForm(w http.ResponseWriter, r *http.Request) bool {
	if t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); t != "" && t != "application/x-www-form-urlencoded" {
		message(w, r, http.StatusUnsupportedMediaType, "This is not a form.")
		return false
	}
	err := r.ParseForm()
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		message(w, r, http.StatusRequestEntityTooLarge, "The form is too large.")
		return false
	}
	if err != nil {
		message(w, r, http.StatusBadRequest, "The form cannot be read.")
		return false
	}
	return true
}
