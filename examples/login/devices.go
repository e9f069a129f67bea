package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/sojourn-go/sojourn/session"
	"github.com/sojourn-go/sojourn/store"
)

// device is where a user is logged in.
type device struct {
	Handle     string    `json:"handle"` // not the id: it is worth nothing without the user
	Device     string    `json:"device"`
	Since      time.Time `json:"since"`
	Seen       time.Time `json:"seen"`
	Remembered bool      `json:"remembered"`
	Current    bool      `json:"current"` // it is the one that asks
}

func (a *app) listDevices(r *http.Request, s *session.Session, v *view) error {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	all, err := a.sessions.List(ctx, s.Owner())
	if err != nil {
		return err
	}
	v.Devices = []device{}
	for _, i := range all {
		v.Devices = append(v.Devices, device{i.Handle, i.Device, i.Since.UTC(), i.Seen.UTC(), i.Persistent, i.Handle == s.Handle()})
	}
	return nil
}

func (a *app) endDevice(w http.ResponseWriter, r *http.Request) {
	if !readForm(w, r) {
		return
	}
	s, err := session.From(r.Context())
	if err != nil {
		a.fail(w, r, err)
		return
	}
	handle := r.PostFormValue("handle")
	if handle == s.Handle() {
		a.logout(w, r)
		return
	}
	err = a.sessions.End(r.Context(), s.Owner(), handle)
	if errors.Is(err, store.ErrNotFound) { // or it is another user's, which we do not tell
		a.answerDevices(w, r, s, http.StatusNotFound, "You have no such session. Has it ended already?")
		return
	}
	a.ended(w, r, s, "That session is ended.", err)
}

func (a *app) endOthers(w http.ResponseWriter, r *http.Request) {
	s, err := session.From(r.Context())
	if err == nil {
		err = a.sessions.EndOthers(r.Context(), s)
	}
	a.ended(w, r, s, "All other sessions are ended.", err)
}

// ended goes back to the list, which says once what was done.
func (a *app) ended(w http.ResponseWriter, r *http.Request, s *session.Session, done string, err error) {
	if err == nil && wantsJSON(r) {
		a.answerDevices(w, r, s, http.StatusOK, "")
		return
	}
	if err == nil {
		err = notice.Set(s, done)
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/devices", http.StatusSeeOther)
}

func (a *app) answerDevices(w http.ResponseWriter, r *http.Request, s *session.Session, code int, text string) {
	v := look(s)
	v.Error = text
	if err := a.listDevices(r, s, v); err != nil {
		a.fail(w, r, err)
		return
	}
	show(w, r, code, "devices", v)
}
