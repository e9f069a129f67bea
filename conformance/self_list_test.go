package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/sojourn-go/sojourn/store"
)

// names are the ids after one that a query is about, sorted, for listing in pages.
func (r *reference) names(q store.Query, after string) []string {
	owner := r.fold(q.Owner)
	if q.Owner == "" || r.is("owners by prefix") || r.is("owners by pattern") {
		var out []string
		for id, x := range r.rows {
			if id > after && (q.Owner == "" || r.isOf(x, q.Owner)) {
				out = append(out, id)
			}
		}
		slices.Sort(out)
		return out
	}
	var out []string
	for id := range r.index[owner] {
		if id > after {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// isOf is whether a row that the index names belongs to the owner.
func (r *reference) isOf(x row, owner string) bool {
	switch {
	case r.is("the old owner keeps it"), r.is("the index comes first"), r.is("the expired stay with their owner"):
		return true
	case r.is("owners by prefix"):
		return strings.HasPrefix(x.owner, owner)
	case r.is("owners by pattern"):
		ok, _ := path.Match(owner, x.owner)
		return ok || x.owner == owner
	}
	return r.fold(x.owner) == r.fold(owner)
}

// page is a part of a listing.
type page struct {
	after  string
	offset int
	until  time.Time // by a bug: the order is that of the deadlines
	size   int       // of the index, by a bug
}

// next reads sessions that come after p, and says whether more may.
func (r *reference) next(q store.Query, p *page) (found []store.Listed, more bool, err error) {
	after := p.after
	if r.is("pages by deadline") || r.is("pages by offset") || r.is("lists as SCAN does") {
		after = ""
	}
	names := r.names(q, after)
	size := 100
	switch {
	case r.is("lists all at once"):
		size = len(names)
	case r.is("pages by deadline"):
		slices.SortFunc(names, func(a, b string) int {
			return cmpOr(r.rows[a].deadline.Compare(r.rows[b].deadline), strings.Compare(a, b))
		})
		i := 0
		for ; i < len(names) && p.after != "" && cmpOr(r.rows[names[i]].deadline.Compare(p.until), strings.Compare(names[i], p.after)) <= 0; i++ {
		}
		names = names[i:]
	case r.is("pages by offset"):
		names = names[min(p.offset, len(names)):]
	}
	if r.is("lists as SCAN does") && p.after != "" {
		i, _ := slices.BinarySearch(names, p.after)
		if i++; p.size != len(r.rows) {
			i = max(i-3, 0) // the table has grown, and some of it is seen again
		}
		names = names[min(i, len(names)):]
	}
	p.size = len(r.rows)
	more = len(names) > size
	for _, id := range names[:min(size, len(names))] {
		p.after, p.until = id, r.rows[id].deadline
		p.offset++
		x, err := r.live(id)
		switch {
		case errors.Is(err, store.ErrCorrupt) && r.is("the unreadable ends a listing"):
			return found, false, err
		case errors.Is(err, store.ErrCorrupt) && r.is("the unreadable is listed"):
		case errors.Is(err, store.ErrCorrupt):
			continue
		case err != nil && !(r.is("the dead are listed") && r.dead(id)):
			continue
		}
		if q.Owner != "" && !r.isOf(x, q.Owner) {
			continue
		}
		l := store.Listed{ID: id, Entry: store.Entry{Record: store.Record{Owner: x.owner}, Revision: x.revision, TTL: x.left()}}
		if q.Data && !r.is("listings without data") {
			l.Data = bytes.Clone(x.data)
		}
		switch {
		case r.is("listings tell the whole life"):
			l.TTL = x.ttl
		case r.is("listings without revisions"):
			l.Revision = 0
		}
		found = append(found, l)
	}
	return found, more, nil
}

func cmpOr(a, b int) int {
	if a != 0 {
		return a
	}
	return b
}

func (r *reference) List(ctx context.Context, q store.Query) iter.Seq2[store.Listed, error] {
	return func(yield func(store.Listed, error) bool) {
		check := store.CheckQuery(ctx, q)
		if store.CheckOwner(q.Owner) != nil && r.is("any owner is listed") {
			check = nil
		}
		if err := r.begin(ctx, check); err != nil {
			yield(store.Listed{}, r.end("list", "", err))
			return
		}
		if r.is("a stopped listing leaks") {
			go r.linger()
		}
		p := &page{}
		for more := true; more; {
			var found []store.Listed
			var failed error
			err := r.ask(ctx, func() { found, more, failed = r.next(q, p) })
			if err == nil {
				err = failed
			}
			if err != nil {
				if !r.is("a failing listing is empty") && !(r.is("a listing that breaks just ends") && p.after != "") {
					yield(store.Listed{}, r.end("list", "", err))
				}
				return
			}
			if !r.yieldAll(found, yield) {
				if r.is("a stopped listing keeps its connection") {
					r.conns <- struct{}{}
				}
				return
			}
		}
	}
}

func (r *reference) yieldAll(found []store.Listed, yield func(store.Listed, error) bool) bool {
	if r.is("a listing holds a lock") {
		r.listing.RLock()
		defer r.listing.RUnlock()
	}
	var shared []byte
	for _, l := range found {
		if r.is("List reads into one buffer") {
			shared = append(shared[:0], l.Data...)
			l.Data = shared
		}
		if !yield(l, nil) {
			return false
		}
	}
	return true
}

// DeleteOwner goes by the index, in batches.
func (r *reference) DeleteOwner(ctx context.Context, owner string) (int, error) {
	check := store.CheckDeleteOwner(ctx, owner)
	if owner == "" && r.is("nobody is an owner") {
		check = nil
	}
	if err := r.begin(ctx, check); err != nil {
		return 0, r.end("delete owner", "", err)
	}
	if owner == "" {
		n, err := r.remove(ctx, func(_ string, x row) bool { return x.owner == "" })
		return n, r.end("delete owner", "", err)
	}
	n := 0
	batch := func() (more bool) {
		names := r.names(store.Query{Owner: owner}, "")
		for _, id := range names[:min(200, len(names))] {
			x := r.rows[id]
			switch {
			case r.isOf(x, owner) || r.is("DeleteOwner believes its index"):
				if x.left() > 0 {
					n++
				}
				r.drop(id)
			}
			r.disown(id, owner)
		}
		return len(names) > 200
	}
	err := error(nil)
	for more := true; more && err == nil; {
		err = r.ask(ctx, func() { more = batch() && !r.is("one batch and no more") })
	}
	if r.is("DeleteOwner drops the index last") && err == nil {
		err = r.ask(ctx, func() { delete(r.index, owner) })
	}
	r.stale.Clear()
	r.cache.Range(func(id, e any) bool { r.stale.Store(id, e); return true })
	return n, r.end("delete owner", "", err)
}
