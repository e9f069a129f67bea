package session

import "sync"

// Issued has f run, and returns the cookies' values of all ids that were made
// meanwhile: also of those which no response has handed out.
func Issued(f func()) (values []string) {
	var mu sync.Mutex
	make1 := newID
	defer func() { newID = make1 }()
	newID = func() id {
		i := make1()
		mu.Lock()
		defer mu.Unlock()
		values = append(values, i.cookie())
		return i
	}
	f()
	return values
}
