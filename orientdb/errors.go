package orientdb

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/sojourn-go/sojourn/internal/call"
	"github.com/sojourn-go/sojourn/store"
)

// refusal is an answer other than 200, without its text, which quotes ids and data: "found
// duplicated key 's:…' in index".
type refusal struct {
	status    int
	exception string // of the server's program, like ORecordDuplicatedException; "" if none is named
	reading
}

// reading is what an answer means here.
type reading struct {
	text    string
	kind    error // of package store, or nil
	verdict call.Verdict
}

func (e *refusal) Error() string {
	text := fmt.Sprintf("%s (%d %s)", e.text, e.status, http.StatusText(e.status))
	if e.exception != "" {
		text = fmt.Sprintf("%s (%d %s)", e.text, e.status, e.exception)
	}
	if e.kind != nil {
		text = e.kind.Error() + ": " + text
	}
	return text
}

func (e *refusal) Unwrap() error { return e.kind }

// exception is the name of a class at the beginning of the server's text.
var exception = regexp.MustCompile(`^(?:[a-z][a-z0-9_]*\.)+([A-Z][A-Za-z0-9$]*)(?::|\s|$)`)

// refused reads an answer other than 200.
//
// The server sometimes answers twice: where it cannot open the database, a 401 and then a
// 500. Whoever used the connection next would take that for the answer to another request,
// and each of them the one before. So the connection is to be closed, but for those answers
// that are known to come alone, daily. The last byte is not read, for which package net/http
// before Go 1.27 closes it by itself.
func refused(resp *http.Response) (_ error, alone bool) {
	const enough = 64 << 10
	e := &refusal{status: resp.StatusCode}
	most := int64(enough)
	if resp.ContentLength >= 0 { // unless somebody in between has cut it into chunks
		most = min(most, max(0, resp.ContentLength-1))
	}
	body, _ := io.ReadAll(io.LimitReader(resp.Body, most))
	content := said(body)
	if m := exception.FindStringSubmatch(content); m != nil {
		e.exception = m[1]
	}
	e.reading = meaning(e.status, e.exception, content)
	alone = e.exception == duplicated || e.exception == conflict
	if alone {
		_, _ = io.CopyN(io.Discard, resp.Body, enough)
	}
	return e, alone
}

// said is the text in the answer of a server that refuses: its first "content".
func said(answer []byte) string {
	d := json.NewDecoder(bytes.NewReader(answer))
	for {
		t, err := d.Token()
		if err != nil {
			return "" // it is somebody else's, or broken off
		}
		if t == "content" {
			text, _ := d.Token()
			s, _ := text.(string)
			return s
		}
	}
}

func meaning(status int, exception, content string) reading {
	// Only texts of these, which do not quote what a caller has stored.
	switch exception {
	case "IOException":
		if strings.Contains(content, "No space left on device") {
			return reading{text: "the server's disk is full: it must be started again when there is room", kind: errFull, verdict: call.Unclear}
		}
	case "OCommandExecutionException", "OSchemaException", "OIndexException":
		switch {
		case strings.Contains(content, "Class not found"):
			return reading{text: missing}
		case strings.Contains(content, "already exists"):
			return reading{text: "it exists already", verdict: call.Again} // made by another process, meanwhile
		}
	}
	if r, ok := exceptions[exception]; ok {
		return r
	}
	switch status {
	case http.StatusConflict:
		return reading{text: "another write was quicker", verdict: call.Again}
	case http.StatusUnauthorized:
		// Also for a moment after the server has been started, and to the session that it
		// had before: a few times again, then.
		return reading{text: "wrong user or password, or there is no such database, or the server cannot open it", verdict: call.Anew}
	case http.StatusForbidden:
		return reading{text: "the user lacks the right"}
	case http.StatusBadRequest:
		if content == "" {
			return reading{text: "the answer is not OrientDB's: does the address want https?"}
		}
		return reading{text: "the server does not understand the statement: it is not OrientDB 3"}
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return reading{text: "there is no OrientDB at the address"}
	}
	if status < 400 {
		return reading{text: "the address is not that of the server: it sends elsewhere"}
	}
	return reading{text: "error of the server", verdict: call.Unclear} // nothing says that it was not applied
}

// exceptions are those of which it is known what they mean. Where nothing else is said they
// come before anything is written.
var exceptions = map[string]reading{
	duplicated:                                  {text: "it exists already"},
	"OConcurrentModificationException":          {text: "another write was quicker", verdict: call.Again},
	"OConcurrentCreateException":                {text: "another write was quicker", verdict: call.Again},
	"OModificationOperationProhibitedException": {text: "the database is frozen", verdict: call.Again},
	"OLowDiskSpaceException":                    {text: "the server's disk is nearly full", kind: store.ErrFull},
	"OSecurityAccessException":                  {text: "the user lacks the right"},
	"OSecurityException":                        {text: "the user lacks the right"},
	"OValidationException":                      {text: "a rule of the class refuses the record"},
	"OCommandSQLParsingException":               {text: "the server does not understand the statement: it is not OrientDB 3"},
	"OCommandExecutionException":                {text: "the server cannot execute the statement"},
}

const (
	duplicated = "ORecordDuplicatedException"
	conflict   = "OConcurrentModificationException"
)

// isDuplicate reports whether the server has refused to insert what is there.
func isDuplicate(err error) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && r.exception == duplicated
}

// isMissing reports whether the class is not there.
func isMissing(err error) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && r.text == missing
}

const missing = "the class is missing: call Store.Migrate, or have migrate=true in the URL"

// errBarred is what remains when a record is there, can be written, and is not.
var errBarred = errors.New("the server changes no record, and nothing is in the way: is there another unique index on the class, or a hook?")

// errFull is the disk that was full amid a write, and not before it.
var errFull = fmt.Errorf("%w", store.ErrFull)

// errType is a class that somebody else has made.
var errType = errors.New("a property of the class is of another type than Store.Migrate makes it")

// judge returns what err says about an attempt.
func judge(err error) call.Verdict {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.verdict
	}
	if errors.Is(err, errBarred) || errors.Is(err, errType) || errors.Is(err, errLong) {
		return call.Final
	}
	if errors.Is(err, errStrange) {
		return call.Unclear
	}
	if tlsError(err) != nil {
		return call.Final
	}
	if errors.Is(err, errBuried) || unreached(err) {
		return call.Again
	}
	return call.Lost
}

// unsent is an error from before there was a connection to send anything by.
type unsent struct{ error }

func (e *unsent) Unwrap() error { return e.error }

// unreached reports whether there was none; of a client of the caller's that can be told
// only where it could not dial.
func unreached(err error) bool {
	if _, ok := errors.AsType[*unsent](err); ok {
		return true
	}
	n, ok := errors.AsType[*net.OpError](err)
	return ok && n.Op == "dial"
}

// tlsError is what the two sides do not agree on, before anything is sent; nil if they do.
func tlsError(err error) error {
	if c, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("the server's certificate: %w", c.Err)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) {
		return errors.New("the server does not speak TLS there: the address wants http, or orientdb in place of orientdbs")
	}
	if a, ok := errors.AsType[tls.AlertError](err); ok {
		return fmt.Errorf("the server refuses to speak TLS: %w", a)
	}
	return nil
}

// told returns err without any text that may hold an id, an owner, data or a password. Of
// what the store says it for (ErrFull and the like) nothing is left where unsure is set.
func told(err error, unsure bool) error {
	if err == nil || call.Answered(err) {
		return err
	}
	if r, ok := errors.AsType[*refusal](err); ok {
		said := *r
		if unsure {
			said.kind = nil
		}
		return &said
	}
	for _, known := range []error{errBarred, errBuried, errType, errLong, errStrange, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return known
		}
	}
	if err := tlsError(err); err != nil {
		return err
	}
	if n, ok := errors.AsType[*net.OpError](err); ok {
		return n
	}
	if n, ok := errors.AsType[net.Error](err); ok && n.Timeout() {
		return context.DeadlineExceeded // of the caller's client
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the connection broke: %w", io.ErrUnexpectedEOF)
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return fmt.Errorf("no answer of HTTP (%T)", err)
}
