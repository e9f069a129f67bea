package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"hash/fnv"
	"path"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// What the five verbs do otherwise, by a bug. Without one each of these leaves
// everything as it is.

// key is the id as the server keeps it.
func (r *reference) key(id string) string {
	switch {
	case r.is("ids without case"):
		return strings.ToLower(id)
	case r.is("ids cut at 191 bytes") && len(id) > 191:
		return id[:191]
	case r.is("ids are file names"):
		return strings.ReplaceAll(id, "/", "_")
	case r.is("ids are paths"):
		return path.Clean(id)
	}
	return id
}

// fold is the owner as the server compares it.
func (sp *space) fold(owner string) string {
	switch {
	case sp.is("owners without case"):
		return strings.ToLower(owner)
	case sp.is("owners are trimmed"):
		return strings.TrimSpace(owner)
	case sp.is("owners cut at 191 bytes") && len(owner) > 191:
		return owner[:191]
	case sp.is("owners are normalised"):
		return strings.ReplaceAll(owner, "e\u0301", "\u00e9")
	}
	return owner
}

func (r *reference) limit() int {
	if r.is("no limit") || r.is("too large is cut") {
		return 0
	}
	return maxData
}

// lenient drops a refusal.
func (r *reference) lenient(check error, id string, rec store.Record, ttl time.Duration, base store.Revision) error {
	if !errors.Is(check, store.ErrInvalid) {
		return check
	}
	switch {
	case ttl <= 0 && r.is("any ttl"):
	case ttl <= 0 && r.is("a ttl of 0 removes"):
		r.mu.Lock()
		defer r.mu.Unlock()
		r.drop(r.key(id))
		return check
	case store.CheckOwner(rec.Owner) != nil && r.is("any owner"):
	case base == 0 && r.is("base 0 means any"):
	case base == 0 && r.is("base 0 is a conflict"):
		return store.ErrConflict
	default:
		return check
	}
	return nil
}

// refuse does something to a session whose write is refused.
func (r *reference) refuse(err error, id string, rec store.Record) error {
	switch {
	case !errors.Is(err, store.ErrTooLarge):
	case r.is("a refusal keeps the lock"):
		r.refused.Lock()
	case r.is("too large is written, then refused"):
		r.mu.Lock()
		defer r.mu.Unlock()
		if x, ok := r.rows[r.key(id)]; ok {
			x.data = rec.Data[:maxData/2]
			r.put(r.key(id), x)
		}
	}
	return err
}

// chosen is the new revision.
func (r *reference) chosen(base store.Revision, rec store.Record) store.Revision {
	switch {
	case r.is("revisions are counted"):
		return base + 1
	case r.is("Update keeps the revision") && base != 0:
		return base
	case r.is("revisions are made of the data"):
		h := fnv.New64a()
		h.Write(rec.Data)
		return store.Revision(h.Sum64() | 1)
	case r.is("revisions are the time in seconds"):
		return store.Revision(time.Now().Unix())
	}
	return store.NewRevision()
}

// row is what a write stores.
func (r *reference) row(rec store.Record, ttl time.Duration, rev store.Revision) row {
	const ms = time.Millisecond
	data := bytes.Clone(rec.Data)
	switch {
	case r.is("panics without data") && rec.Data == nil:
		panic("runtime error: invalid memory address")
	case r.is("keeps the caller's bytes"):
		data = rec.Data
	case r.is("appends to the caller's bytes"):
		data = append(rec.Data, "end"...)[:len(rec.Data)]
	case r.is("data is text"):
		data = bytes.ToValidUTF8(data, []byte("?"))
	case r.is("data is trimmed"):
		data = bytes.TrimRight(data, " \n\x00")
	case r.is("data ends at 64 KiB") && len(data) > 64<<10, r.is("too large is cut") && len(data) > maxData:
		data = data[:min(64<<10, len(data))]
	}
	owner := rec.Owner
	if r.is("no owner") {
		owner = ""
	}
	life := store.RoundUp(ttl, r.unit)
	switch {
	case r.is("ttl cut to milliseconds"):
		life = ttl.Truncate(ms)
	case r.is("ttl of 0 is for ever") && ttl < ms:
		life = 200 * 365 * 24 * time.Hour
	case r.is("ttl in whole seconds"):
		life = ttl.Truncate(time.Second)
	case r.is("ttl in whole seconds, at least one"):
		life = max(ttl.Truncate(time.Second), time.Second)
	case r.is("a year at most"):
		life = min(life, 365*24*time.Hour)
	case r.is("ttl in 32 bits of milliseconds"):
		life = time.Duration(int32(life/ms)) * ms
	}
	// A deadline is no finer than the server's clock.
	deadline := time.Now().Add(life + r.unit - 1).Truncate(r.unit)
	if life == 0 {
		deadline = time.Now()
	}
	return row{data: data, owner: owner, revision: rev, deadline: deadline, first: deadline, ttl: ttl}
}

// loaded spoils what a Load answers.
func (r *reference) loaded(k string, x row, e *store.Entry, failed *error) {
	if *failed != nil {
		switch {
		case errors.Is(*failed, store.ErrCorrupt) && r.is("the unreadable is deleted"):
			r.drop(k)
			*failed = store.ErrNotFound
		case !errors.Is(*failed, store.ErrNotFound):
		case r.is("a missing session is an empty one"):
			*failed = nil
		case r.is("a missing session is the driver's error"):
			*failed = errors.New("no rows in result set")
		}
		return
	}
	switch {
	case r.is("what is left by the reader's clock"):
		e.TTL -= r.skew
	case r.is("expiry by the reader's clock") && e.TTL <= r.skew:
		*failed = store.ErrNotFound
	case r.is("what is left is what was given"):
		e.TTL = x.ttl
	case r.is("Load hands out its own bytes"):
		e.Data = x.data
	case r.is("Load reads into one buffer") && len(x.data) > 32:
		r.buffer = append(r.buffer[:0], x.data...)
		e.Data = r.buffer
	case r.is("reading extends the life"):
		x.deadline = time.Now().Add(x.ttl)
		r.rows[k] = x
	case r.is("empty is missing") && len(x.data) == 0:
		*failed = store.ErrNotFound
	}
}

func (r *reference) dead(k string) bool { _, there := r.rows[k]; return there }

// looksFirst reports that Create has seen that nothing is there, and need not
// look when it writes.
func (r *reference) looksFirst(ctx context.Context, k string) (bool, error) {
	if r.is("a refusal keeps the lock") {
		r.refused.Lock()
		defer r.refused.Unlock()
	}
	var failed error
	var there bool
	look := func() error { return r.write(ctx, func(bool) { _, failed = r.live(k); there = r.dead(k) }) }
	switch {
	case r.is("Create looks, then writes"):
		if err := look(); err != nil {
			return false, err
		}
		if failed == nil {
			return false, store.ErrExists
		}
		return true, nil
	case r.is("Create looks whether it expired, then writes"):
		if err := look(); err != nil {
			return false, err
		}
		return there && errors.Is(failed, store.ErrNotFound), nil
	}
	return false, nil
}

// matches is whether an Update may write.
func (r *reference) matches(x row, base store.Revision) bool {
	switch {
	case r.is("Update ignores the base"), r.is("base 0 means any") && base == 0:
		return true
	case r.is("revisions are floats"):
		return float64(x.revision) == float64(base)
	case r.is("revisions have 32 bits"):
		return uint32(x.revision) == uint32(base)
	}
	return x.revision == base
}

// updated is what an Update writes in the place of x.
func (r *reference) updated(x, next row) row {
	switch {
	case r.is("Update keeps the lifetime"), r.is("Update never shortens") && next.deadline.Before(x.deadline):
		next.deadline = x.deadline
	case r.is("Update keeps the owner"):
		next.owner = x.owner
	}
	return next
}

// updatedNothing is after an Update that found nothing live.
func (r *reference) updatedNothing(k string, next row, base store.Revision, failed *error) {
	x, there := r.rows[k]
	switch {
	case !errors.Is(*failed, store.ErrNotFound):
	case r.is("Update is an upsert"), r.is("Update revives the expired") && there && x.revision == base:
		r.put(k, next)
		*failed = nil
	case r.is("conflict where nothing is"):
		*failed = store.ErrConflict
	}
}

// conflicted is after an Update whose base is not the current revision.
func (r *reference) conflicted(k string, failed *error) {
	switch {
	case r.is("the result is thrown away"):
		*failed = nil
	case r.is("not found where the base is old"):
		*failed = store.ErrNotFound
	case r.is("a refused Update is a Touch"):
		x := r.rows[k]
		x.deadline = time.Now().Add(9 * time.Hour)
		r.put(k, x)
	}
}

// updatesBlindly checks and then upserts.
func (r *reference) updatesBlindly(ctx context.Context, k string, next row, base store.Revision) error {
	var x row
	var failed error
	if err := r.write(ctx, func(bool) { x, failed = r.live(k) }); err != nil || failed != nil {
		return errors.Join(err, failed)
	}
	if x.revision != base {
		return store.ErrConflict
	}
	return r.write(ctx, func(bool) { r.put(k, next) })
}

// updatesHalf writes the data, and leaves the revision to a second command.
func (r *reference) updatesHalf(ctx context.Context, k string, rec store.Record, base store.Revision) error {
	if !r.is("Update in two commands") {
		return nil
	}
	return r.write(ctx, func(bool) {
		if x, err := r.live(k); err == nil && x.revision == base {
			x.data = bytes.Clone(rec.Data)
			r.put(k, x)
		}
	})
}

func (r *reference) touchesBlindly(ctx context.Context, k string, ttl time.Duration) error {
	var x row
	var failed error
	if err := r.write(ctx, func(bool) { x, failed = r.live(k) }); err != nil || failed != nil {
		return errors.Join(err, failed)
	}
	x.deadline = r.row(plainRecord, ttl, 0).deadline
	return r.write(ctx, func(bool) { r.put(k, x) })
}

// touched is what a Touch writes in the place of x.
func (r *reference) touched(x, next row) (row, error) {
	switch {
	// Nearly the same is the same: else it is chance whether two Touches fall into one
	// tick of the clock.
	case r.is("a Touch that changes nothing misses") && next.deadline.Sub(x.deadline).Abs() < 50*time.Millisecond:
		return x, store.ErrNotFound
	case r.is("Touch never shortens") && next.deadline.Before(x.deadline):
		return x, nil
	case r.is("Touch is a new revision"):
		next.revision = store.NewRevision()
	case r.is("Touch forgets the owner"):
		next.owner = ""
	case r.is("Touch takes the old ttl"):
		next.deadline = time.Now().Add(x.ttl)
		next.ttl = x.ttl
	}
	return next, nil
}

// touchedNothing is after a Touch that found nothing live.
func (r *reference) touchedNothing(k string, x, next row, failed *error) {
	_, there := r.rows[k]
	switch {
	case !errors.Is(*failed, store.ErrNotFound):
	case r.is("Touch of nothing makes something"):
		next.data = nil
		r.put(k, next)
		*failed = nil
	case r.is("Touch revives the expired") && there:
		x.deadline = next.deadline
		r.put(k, x)
		*failed = nil
	case r.is("Touch of nothing is fine"):
		*failed = nil
	}
}

// writesLater puts off a write that was made already.
func (r *reference) writesLater(k string) {
	r.mu.Lock()
	x, there := r.rows[k]
	r.mu.Unlock()
	if there {
		r.bg.Go(func() {
			time.Sleep(20 * time.Millisecond)
			r.mu.Lock()
			defer r.mu.Unlock()
			if y, ok := r.rows[k]; !ok || y.revision == x.revision {
				r.put(k, x)
			}
		})
	}
}

// deletedWrongly is a Delete that does something else.
func (r *reference) deletedWrongly(k string, failed *error) bool {
	_, there := r.rows[k]
	like := func(match func(other string) bool) {
		for other := range r.rows {
			if match(other) {
				r.drop(other)
			}
		}
	}
	switch {
	case r.is("Delete of nothing is an error") && !there:
		*failed = store.ErrNotFound
	case r.is("Delete takes a prefix"):
		like(func(other string) bool { return strings.HasPrefix(other, k) })
	case r.is("Delete takes a pattern"):
		like(func(other string) bool { ok, _ := path.Match(k, other); return ok || other == k })
	case r.is("Delete does nothing"):
	case r.is("Delete misses the unreadable") && there && r.rows[k].broken:
		*failed = store.ErrCorrupt
	default:
		return false
	}
	return true
}
