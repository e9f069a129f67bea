package orientdb

import (
	"context"
	"errors"
	"iter"

	"github.com/sojourn-go/sojourn/internal/seen"
	"github.com/sojourn-go/sojourn/store"
)

// page is how many sessions a listing asks for at a time; where that takes longer than a
// call may, or is too long an answer, since their data is large, an eighth of it, and so on.
const page = 512

// List implements [store.Lister], in pages in the order of the server's own ids of the
// records, each a query of its own that can be repeated. It remembers 16 bytes for each
// session that it has yielded: one that is ended and created again is another record.
func (s *Store) List(ctx context.Context, q store.Query) iter.Seq2[store.Listed, error] {
	return func(yield func(store.Listed, error) bool) {
		if err := s.check(store.CheckQuery(ctx, q)); err != nil {
			yield(store.Listed{}, s.fail("list", err))
			return
		}
		yielded := seen.New()
		for after, size := begin, page; ; size = min(2*size, page) {
			found, last, err := s.page(ctx, q, after, size)
			for err != nil && s.less(ctx, err, &size) {
				found, last, err = s.page(ctx, q, after, size)
			}
			for i := range found {
				if yielded.First(found[i].ID) && !yield(found[i], nil) {
					return
				}
				found[i] = store.Listed{} // the caller's to keep or let go
			}
			if err != nil {
				yield(store.Listed{}, s.fail("list", err))
				return
			}
			if last == "" {
				return
			}
			after = last
		}
	}
}

// less makes pages smaller where one is too long an answer, or takes longer than a call
// may, and reports whether it has.
func (s *Store) less(ctx context.Context, err error, size *int) bool {
	if errors.Is(err, errLong) && *size > 1 {
		*size /= 8
		return true
	}
	return s.smaller(ctx, err, size)
}

// page returns the sessions among the records after a place, and the last place that was
// looked at; "" at the end.
func (s *Store) page(ctx context.Context, q store.Query, after place, size int) (found []store.Listed, last place, err error) {
	if err := s.check(store.CheckContext(ctx)); err != nil {
		return nil, "", err
	}
	request := s.doc.page(q, after, size).with()
	if q.Owner != "" {
		request = s.doc.owned(request, q.Owner)
	}
	body := request.body()
	err = s.run(ctx, reads, func(ctx context.Context, _ bool) error {
		rows, err := s.ask(ctx, body)
		if err != nil {
			return err
		}
		found, last = make([]store.Listed, 0, len(rows)), ""
		for _, r := range rows {
			if !isPlace.MatchString(string(r.Place)) {
				return errStrange
			}
			id, e, err := s.doc.decode(r)
			// An index finds what has another owner by now, too.
			if err == nil && (q.Owner == "" || e.Owner == q.Owner) {
				found = append(found, store.Listed{ID: id, Entry: e})
			}
		}
		if len(rows) == size {
			last = rows[size-1].Place
		}
		return nil
	})
	return found, last, err
}

// Count implements [store.Counter]. It looks at every record.
func (s *Store) Count(ctx context.Context) (n int, err error) {
	if err := s.check(store.CheckContext(ctx)); err != nil {
		return 0, s.fail("count", err)
	}
	if err := s.there(ctx); err != nil {
		return 0, s.fail("count", err)
	}
	request := s.doc.count.with().body()
	err = s.run(ctx, scans, func(ctx context.Context, _ bool) error {
		n, err = s.count(ctx, request)
		return err
	})
	return n, s.fail("count", err)
}

// count sends a statement that counts.
func (s *Store) count(ctx context.Context, request []byte) (int, error) {
	found, err := s.ask(ctx, request)
	if err != nil {
		return 0, err
	}
	if len(found) != 1 || found[0].N == nil {
		return 0, errStrange
	}
	return *found[0].N, nil
}

// DeleteOwner implements [store.OwnerDeleter].
func (s *Store) DeleteOwner(ctx context.Context, owner string) (int, error) {
	if err := s.check(store.CheckDeleteOwner(ctx, owner)); err != nil {
		return 0, s.fail("delete owner", err)
	}
	n, err := s.bury(ctx, s.doc.owners, func(p params) params { return s.doc.owned(p, owner) })
	return n, s.fail("delete owner", err)
}

// Clear implements [store.Clearer]. The class and its indexes stay.
func (s *Store) Clear(ctx context.Context) error {
	if err := s.check(store.CheckContext(ctx)); err != nil {
		return s.fail("clear", err)
	}
	_, err := s.bury(ctx, s.doc.all, nil)
	if err == nil {
		_, err = s.bury(ctx, s.doc.blank, nil)
	}
	if err == nil {
		err = s.purge(ctx)
	}
	return s.fail("clear", err)
}
