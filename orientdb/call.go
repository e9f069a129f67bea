package orientdb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"

	"github.com/sojourn-go/sojourn/internal/call"
	"github.com/sojourn-go/sojourn/store"
)

var (
	reads  = call.Reads
	writes = call.Writes
	looks  = call.Kind{Patience: 1, Ends: true} // for what is to be swept
	sweeps = call.Kind{Patience: 1, Ends: true, Writes: true}
	scans  = call.Kind{Patience: 30, Ends: true} // looks at every record
)

func (s *Store) check(err error) error             { return s.calls.Check(err) }
func (s *Store) fail(verb string, err error) error { return s.calls.Fail(verb, err) }

// run calls f until it was answered; see [call.Caller.Run]. Package net/http repeats
// nothing by itself that may have been sent: a POST is no request that it may repeat.
func (s *Store) run(ctx context.Context, k call.Kind, f func(ctx context.Context, unsure bool) error) error {
	return s.calls.Run(ctx, k, func(attempt context.Context, unsure bool) (call.Verdict, error) {
		if err := ctx.Err(); err != nil {
			return call.Final, err // nobody waits for it any more
		}
		err := f(attempt, unsure)
		if err == nil || call.Answered(err) {
			return call.Final, err
		}
		if k.Writes && errors.Is(err, errFull) { // whether it was written nobody will ever know
			return call.Final, fmt.Errorf("%w: %w", store.ErrUnknown, told(err, false))
		}
		return judge(err), err
	})
}

// ask sends a statement once, and returns the lines of the answer.
func (s *Store) ask(ctx context.Context, request []byte) ([]row, error) {
	answer, err := s.post(ctx, s.commands, request)
	if err != nil {
		return nil, err
	}
	return lines[row](answer)
}

// change sends a statement once, and returns how many records it has changed.
func (s *Store) change(ctx context.Context, request []byte) (int, error) {
	found, err := s.ask(ctx, request)
	if err != nil {
		return 0, err
	}
	if len(found) != 1 || found[0].Count == nil {
		return 0, errStrange
	}
	return *found[0].Count, nil
}

// post sends a request once, and returns the body of the answer.
//
// The server knows who asks by the password, and by a session of its own that the
// password opened. Without that it would open another one for each request; without the
// password it would refuse what comes after it has been started again.
func (s *Store) post(ctx context.Context, url string, body []byte) ([]byte, error) {
	var conn atomic.Pointer[net.Conn] // that it is sent by; a client of the caller's may not tell
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(got httptrace.GotConnInfo) { conn.Store(&got.Conn) },
	})
	req, err := http.NewRequestWithContext(traced, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if err := s.check(nil); err != nil {
		return nil, err
	}
	defer func() {
		if s.check(nil) != nil { // closed meanwhile: there is nobody else to close the connection
			s.idle()
		}
	}()
	session := s.session.Load()
	h := req.Header
	h["Authorization"] = s.password
	h["Content-Type"] = []string{"application/json"}
	h["Accept-Encoding"] = []string{"identity"} // to pack what is as short takes longer than to send it
	if session != nil {
		h["Cookie"] = []string{cookie + "=" + *session}
	}
	resp, err := s.client.Do(req)
	if err != nil {
		err = ended(ctx, err)
		if s.owned != nil && conn.Load() == nil {
			err = &unsent{err}
		}
		return nil, err
	}
	defer resp.Body.Close()
	for _, c := range resp.Header["Set-Cookie"] {
		s.remember(c, session)
	}
	if resp.StatusCode == http.StatusUnauthorized {
		s.session.CompareAndSwap(session, nil)
	}
	if resp.StatusCode != http.StatusOK {
		err, alone := refused(resp)
		if c := conn.Load(); c != nil && !alone {
			_ = (*c).Close()
		}
		return nil, err
	}
	answer, err := read(resp.Body, resp.ContentLength)
	if err != nil {
		return nil, ended(ctx, err)
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		return nil, errStrange
	}
	return answer, nil
}

// ended returns err, but without why the caller has ended it, which package net/http tells
// in its place: [call.Caller.Run] does.
func ended(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, cause) {
		return ctx.Err()
	}
	return err
}

// cookie has the server's session.
const cookie = "OSESSIONID"

// remember takes the server's session from a Set-Cookie. "-" ends one.
func (s *Store) remember(line string, before *string) {
	pair, _, _ := strings.Cut(line, ";")
	name, value, _ := strings.Cut(pair, "=")
	if name == cookie && value != "" && value != "-" && (before == nil || *before != value) {
		s.session.Store(&value)
	}
}

// longest is how long an answer may be: the largest session in base64, and what the server
// adds. A page of several that is longer is asked for in smaller ones.
const longest = largest/3*4 + 64<<10

// errLong is an answer that is longer.
var errLong = errors.New("the answer is longer than the largest session")

// errStrange is an answer that this server never gives.
var errStrange = errors.New("the answer is not one of OrientDB's HTTP interface: is there something else at the address, or in between?")

func read(body io.Reader, length int64) ([]byte, error) {
	if length > longest {
		return nil, errLong
	}
	var b bytes.Buffer
	if length > 0 {
		b.Grow(int(length) + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(body, longest+1))
	if err == nil && n > longest {
		err = errLong
	}
	return b.Bytes(), err
}

// lines are those of an answer. What the server says of itself after them is not read.
func lines[T any](answer []byte) (found []T, err error) {
	d := json.NewDecoder(bytes.NewReader(answer))
	for _, want := range []json.Token{json.Delim('{'), "result"} {
		if t, err := d.Token(); err != nil || t != want {
			return nil, errStrange
		}
	}
	err = d.Decode(&found)
	if err == nil && found == nil {
		return nil, errStrange // null is no answer
	}
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return nil, errType
	}
	if err != nil {
		return nil, errStrange
	}
	return found, nil
}
