package diary

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// step is how far the life of a session has come.
type step int

const (
	none step = iota
	created
	updated
	deleted
)

// data is what is stored at that step, "" if nothing is.
func (s step) data() string { return [...]string{none: "", created: "1", updated: "2", deleted: ""}[s] }

// entry is what is known of one session.
type entry struct {
	id     string
	done   step  // the last that was acknowledged
	kept   step  // the last of these that must be there, see MayLose
	open   step  // one more of which nobody knows whether it was made, or none
	denied error // said that the session is not there, or somebody else's

	when [deleted + 1]time.Time // it was acknowledged
}

// Kind says what is wrong with a session.
type Kind string

// What can be wrong.
const (
	Lost   Kind = "a write that was acknowledged is lost"
	Undone Kind = "a delete that was acknowledged is undone"
	Made   Kind = "a write that had failed was made"
	Denied Kind = "a write was refused for what is not so"
)

// Finding is a session that is not as the diary has it.
type Finding struct {
	Kind Kind
	Text string
}

func (f Finding) String() string { return string(f.Kind) + ": " + f.Text }

// Check compares what is stored with what was acknowledged, when the writers have ended.
// What was lost may have had its writer refused, and then that is no finding of its own.
// What was lost and may be, see [Diary.MayLose], is none either, and is counted.
func (d *Diary) Check(ctx context.Context, s store.Store) ([]Finding, error) {
	var out []Finding
	lost := 0
	for _, e := range d.entries {
		got, err := s.Load(ctx, e.id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return out, fmt.Errorf("%s: %w", e.id, err)
		}
		if e.may(string(got.Data)) {
			lost++
		} else if kind := e.judge(string(got.Data)); kind != "" {
			text := fmt.Sprintf("%s holds %q, after %d of %d steps, another one open: %v", e.id, got.Data, e.done, deleted, e.open != none)
			if e.denied != nil {
				text += ", and the last answer was: " + e.denied.Error()
			}
			out = append(out, Finding{kind, text})
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts.Lost = lost
	return out, nil
}

// judge returns what is wrong with a session that holds so.
func (e *entry) judge(got string) Kind {
	switch {
	case got != e.done.data() && (e.open == none || got != e.open.data()):
		switch {
		case got != "" && (e.done == none || e.done == created && got == updated.data()):
			return Made
		case e.done == deleted:
			return Undone
		}
		return Lost
	case e.denied != nil:
		return Denied
	}
	return ""
}

// may reports whether a session holds so since what was acknowledged late is lost.
func (e *entry) may(got string) bool {
	if got == e.done.data() {
		return false
	}
	for s := e.kept; s < e.done; s++ {
		if got == s.data() {
			return true
		}
	}
	return false
}

// Count counts the findings of a kind.
func Count(findings []Finding, k Kind) (n int) {
	for _, f := range findings {
		if f.Kind == k {
			n++
		}
	}
	return n
}
