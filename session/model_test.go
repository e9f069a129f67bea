package session_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/sojourn-go/sojourn/memory"
	"github.com/sojourn-go/sojourn/session"
)

// change is one step of a random request.
type change struct {
	verb byte // set, update, delete, pop
	key  string
	n    int
}

func (c change) apply(s map[string]int) {
	switch c.verb {
	case 's':
		s[c.key] = c.n
	case 'u':
		s[c.key] = 3*s[c.key] + c.n
	case 'd':
		delete(s, c.key)
	}
}

// task is a request as it was: what it changed, and what its pops returned.
type task struct {
	changes []change
	popped  []int
}

// explained reports whether some order of the tasks leads from one state to the
// other, and gives each pop what it got. A pop counts at once and the rest of its
// request, as a whole, later: so a task is its pops and then its commit.
func explained(state, end map[string]int, tasks []task) bool {
	if len(tasks) == 0 {
		return maps.Equal(state, end)
	}
	for i, t := range tasks {
		next, rest := maps.Clone(state), append(append([]task{}, tasks[:i]...), tasks[i+1:]...)
		pop := -1
		for j, c := range t.changes {
			if c.verb == 'p' {
				pop = j
				break
			}
		}
		if pop < 0 {
			for _, c := range t.changes {
				c.apply(next)
			}
			if explained(next, end, rest) {
				return true
			}
			continue
		}
		key := t.changes[pop].key
		left := task{popped: t.popped[1:]}
		for j, c := range t.changes {
			switch {
			case j < pop && c.key == key:
				c.apply(next) // what it had changed itself is popped too
			case j != pop:
				left.changes = append(left.changes, c)
			}
		}
		if next[key] != t.popped[0] {
			continue
		}
		delete(next, key)
		if explained(next, end, append(rest, left)) {
			return true
		}
	}
	return false
}

// Whatever requests change at once, in two processes, each counts once and whole, in
// some order.
func TestModel(t *testing.T) {
	rounds := 3000
	if testing.Short() {
		rounds = 300
	}
	keys := map[string]session.Key[int]{}
	names := []string{"a", "b", "c"}
	for _, n := range names {
		keys[n] = session.NewKey[int](n)
	}
	shared := memory.New(nil)
	sites := []*site{newSiteOn(t, shared, session.Options{}), newSiteOn(t, shared, session.Options{})}
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range rounds {
		first := sites[0].browser()
		state := map[string]int{"a": 1, "b": 2}
		first.use(func(s *session.Session) error {
			for k, v := range state {
				if err := keys[k].Set(s, v); err != nil {
					return err
				}
			}
			return nil
		})
		tasks := make([]task, 4)
		for i := range tasks {
			for range 1 + rng.IntN(4) {
				tasks[i].changes = append(tasks[i].changes, change{"sudpu"[rng.IntN(5)], names[rng.IntN(3)], rng.IntN(3)})
			}
		}
		var all, done sync.WaitGroup
		all.Add(len(tasks))
		for i := range tasks {
			task := &tasks[i]
			b := &browser{sites[i%2], first.cookie}
			done.Go(func() {
				b.use(func(s *session.Session) error {
					if round%2 == 0 { // all have it in hand
						all.Done()
						all.Wait()
					}
					for _, c := range task.changes {
						k, err := keys[c.key], error(nil)
						switch c.verb {
						case 's':
							err = k.Set(s, c.n)
						case 'u':
							_, err = k.Update(s, func(n int) int { return 3*n + c.n })
						case 'd':
							err = k.Delete(s)
						case 'p':
							var n int
							n, err = k.Pop(s)
							task.popped = append(task.popped, n)
						}
						if err != nil {
							return err
						}
					}
					return nil
				})
			})
		}
		done.Wait()
		end := map[string]int{}
		first.use(func(s *session.Session) error {
			for n, k := range keys {
				if v, ok, err := k.Lookup(s); err != nil {
					return err
				} else if ok {
					end[n] = v
				}
			}
			return nil
		})
		if !explained(state, end, tasks) {
			t.Fatalf("round %d: no order of the requests leads from %v to %v: %s", round, state, end, fmt.Sprint(tasks))
		}
	}
}
