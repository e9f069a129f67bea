package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sojourn-go/sojourn/internal/call"
	"github.com/sojourn-go/sojourn/store"
)

// judge returns what err says about a statement. broken tells whether it left the
// connection closed: what ends a statement and leaves it open, and is no answer of
// the server, is a fault on our side, like a column of another type.
func judge(err error, broken bool) call.Verdict {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case pg.Code == "57P05":
			return call.Again // idle_session_timeout: the server was waiting for a statement
		case pg.Severity == "FATAL" || pg.Severity == "PANIC" || pg.SeverityUnlocalized == "FATAL" || pg.SeverityUnlocalized == "PANIC":
			return call.Lost // the session ended; at which point, nobody can tell
		case class(pg) == "08" && broken, pg.Code == "40003":
			return call.Lost // PgBouncer lost the server; statement_completion_unknown
		case pg.Code == "40001", pg.Code == "40P01":
			return call.Again // serialization_failure, deadlock_detected: rolled back
		case pg.Code == "0A000", pg.Code == "26000":
			return call.Anew // the table was altered; DISCARD ALL
		}
		return call.Final
	}
	switch {
	case err == nil:
		return call.Final
	case !broken:
		return call.Final // on our side: nothing was sent, or what came is not what was wanted
	case pgconn.SafeToRetry(err):
		return call.Again // nothing was sent
	}
	return call.Lost
}

func class(pg *pgconn.PgError) string {
	if len(pg.Code) < 2 {
		return ""
	}
	return pg.Code[:2]
}

// serverError is an error of the server without its texts, which quote keys and
// values ("Key (id)=(…) already exists"), nor the names in it, which a trigger may
// choose. [errors.As] finds the *pgconn.PgError in it, with the SQLSTATE and where in
// the server's program it arose, and a message of ours.
type serverError struct {
	pg   *pgconn.PgError
	kind error // of package store, or nil
}

func (e *serverError) Error() string {
	if e.kind != nil {
		return e.kind.Error() + ": " + e.pg.Error()
	}
	return e.pg.Error()
}

func (e *serverError) Unwrap() []error {
	if e.kind != nil {
		return []error{e.kind, e.pg}
	}
	return []error{e.pg}
}

// errBarred is what remains when a row is there, can be written, and is not.
var errBarred = errors.New("the server changes no row, and nothing is in the way: is there a trigger, a rule or a policy on the table?")

// said is what an SQLSTATE means here.
var said = map[string]struct {
	text string
	kind error
}{
	"0A000": {text: "the statement is not supported"},
	"22021": {text: "a character is not valid in the database's encoding"},
	"22P05": {text: "a character is not in the database's encoding, which must be UTF8"},
	"22008": {text: "the deadline is infinite, which this package does not store", kind: store.ErrCorrupt},
	"25006": {text: "the server is read-only, as a standby is: connect to the primary (target_session_attrs=read-write)"},
	"26000": {text: "a prepared statement is gone; behind PgBouncer set default_query_exec_mode=cache_describe"},
	"23505": {text: "it exists already"},
	"28P01": {text: "wrong password"},
	"3D000": {text: "there is no such database"},
	"3F000": {text: "there is no such schema"},
	"40001": {text: "serialization failure"},
	"40P01": {text: "deadlock"},
	"42501": {text: "the user lacks the right"},
	"42703": {text: "the table lacks a column: it is not this package's, or Migrate was not called"},
	"42P01": {text: "the table is missing: call Store.Migrate, set Options.Migrate, or have migrate=true in the URL"},
	"42P07": {text: "it exists already"},
	"42P05": {text: "a prepared statement exists already; behind PgBouncer set default_query_exec_mode=cache_describe"},
	"53100": {text: "the server's disk is full", kind: store.ErrFull},
	"53200": {text: "the server is out of memory", kind: store.ErrFull},
	"53300": {text: "the server has too many connections"},
	"54000": {text: "too large for the server", kind: store.ErrTooLarge},
	"55P03": {text: "a lock could not be had"},
	"57014": {text: "the statement was cancelled at the server"},
	"57P01": {text: "the server was shut down"},
	"57P02": {text: "the server crashed"},
	"57P03": {text: "the server does not take connections now"},
	"XX001": {text: "the server's data is damaged", kind: store.ErrCorrupt},
	"XX002": {text: "the server's index is damaged"},
}

// told returns err without any text that may hold an id, an owner or data. Of what the
// store says it for (ErrFull and the like) nothing is left where unsure is set.
func told(err error, unsure bool) error {
	if err == nil || err == errBarred || call.Answered(err) {
		return err
	}
	if before, ok := errors.AsType[*poolError](err); ok {
		return before.error
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		m := said[pg.Code]
		if unsure {
			m.kind = nil
		}
		if m.text == "" {
			m.text = "error of the server"
		}
		severity := pg.Severity
		if severity == "" {
			severity = "ERROR"
		}
		return &serverError{kind: m.kind, pg: &pgconn.PgError{
			Severity: severity, SeverityUnlocalized: pg.SeverityUnlocalized, Code: pg.Code, Message: m.text,
			File: pg.File, Line: pg.Line, Routine: pg.Routine,
		}}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || pgconn.SafeToRetry(err) {
		return err
	}
	if _, ok := errors.AsType[net.Error](err); ok || isEOF(err) {
		return err
	}
	for _, setting := range []string{"client_encoding=UTF8", "standard_conforming_strings=on"} {
		if name, _, _ := strings.Cut(setting, "="); strings.Contains(err.Error(), name) {
			return errors.New("pgx's simple protocol wants " + setting)
		}
	}
	// pgx quotes the value that it cannot encode or scan.
	return fmt.Errorf("error of the driver (%T)", err)
}
