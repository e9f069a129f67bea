package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// program does by hand what a verb does.
type program struct {
	db    *odClient
	sql   string
	least bool
	based map[string]*store.Revision // what an update builds on, by id
}

// begin has updates build on what was put there.
func (p *program) begin(all []visitor) {
	p.based = map[string]*store.Revision{}
	for _, v := range all {
		p.based[v.id] = &v.revision
	}
}

// What the statements are told, under the names that package orientdb gives it.
type (
	idParameter struct {
		ID string `json:"id"`
	}
	lifeParameters struct {
		idParameter
		Life int64 `json:"life"`
	}
	dataParameters struct {
		lifeParameters
		Data []byte `json:"data"`
	}
	sessionParameters struct {
		dataParameters
		Owner *string `json:"owner"`
		Rev   int64   `json:"rev"`
		Base  int64   `json:"base,omitempty"`
	}
)

// call returns the statement in the place of a verb.
func (p *program) call(name string, data []byte) func(ctx context.Context, v *visitor) error {
	const life = int64(lifetime / time.Millisecond)
	lives := func(v *visitor) lifeParameters { return lifeParameters{idParameter{kept(v.id)}, life} }
	has := func(v *visitor) dataParameters { return dataParameters{lives(v), data} }
	session := func(v *visitor, rev store.Revision) sessionParameters {
		s := sessionParameters{dataParameters: has(v), Rev: int64(rev)}
		if v.owner != "" {
			o := "o:" + v.owner
			s.Owner = &o
		}
		return s
	}
	switch {
	case name == "load":
		return func(ctx context.Context, v *visitor) error { return p.db.find(ctx, p.sql, v.id) }
	case name == "touch":
		return func(ctx context.Context, v *visitor) error { return p.change(ctx, lives(v)) }
	case name == "delete":
		return func(ctx context.Context, v *visitor) error { return p.change(ctx, idParameter{kept(v.id)}) }
	case name == "create":
		return func(ctx context.Context, v *visitor) error {
			var with any = has(v)
			if !p.least {
				with = session(v, store.NewRevision())
			}
			lines, err := p.db.sql(ctx, p.sql, with)
			if err == nil && len(lines) != 1 {
				err = fmt.Errorf("created %d sessions", len(lines))
			}
			return err
		}
	case p.least:
		return func(ctx context.Context, v *visitor) error { return p.change(ctx, has(v)) }
	}
	return func(ctx context.Context, v *visitor) error {
		base, rev := p.based[v.id], store.NewRevision()
		with := session(v, rev)
		with.Base = int64(*base)
		err := p.change(ctx, with)
		*base = rev
		return err
	}
}

// change sends what is to change one record.
func (p *program) change(ctx context.Context, parameters any) error {
	lines, err := p.db.sql(ctx, p.sql, parameters)
	if err == nil && (len(lines) != 1 || lines[0].Count != 1) {
		err = fmt.Errorf("it is to change one record: %+v", lines)
	}
	return err
}

// find reads a session by hand, which must live.
func (c *odClient) find(ctx context.Context, sql, id string) error {
	lines, err := c.sql(ctx, sql, idParameter{kept(id)})
	if err == nil && (len(lines) != 1 || len(lines[0].Data) != dataBytes || lines[0].Exp <= time.Now().UnixMilli()) {
		err = fmt.Errorf("read %d sessions", len(lines))
	}
	return err
}

// listener notes which statements a store sends, and how long they take.
type listener struct {
	http.RoundTripper
	mu    sync.Mutex
	heard map[string]heard
}

// heard is what was noted of a statement.
type heard struct {
	n             int
	took, longest time.Duration
}

func (l *listener) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = map[string]heard{}
}

// RoundTrip implements [http.RoundTripper].
func (l *listener) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	var sent odStatement
	if err := json.NewDecoder(body).Decode(&sent); err != nil {
		return nil, err
	}
	start := time.Now()
	resp, err := l.RoundTripper.RoundTrip(r)
	took := time.Since(start)
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.heard[sent.Command]
	h.n, h.took, h.longest = h.n+1, h.took+took, max(h.longest, took)
	if l.heard != nil {
		l.heard[sent.Command] = h
	}
	return resp, err
}

// of is what was noted of all statements that begin so.
func (l *listener) of(verb string) (all heard) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for sql, h := range l.heard {
		if strings.HasPrefix(sql, verb) && strings.Contains(sql, " LIMIT ") {
			all.n, all.took, all.longest = all.n+h.n, all.took+h.took, max(all.longest, h.longest)
		}
	}
	return all
}
