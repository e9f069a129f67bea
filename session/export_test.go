package session

import (
	"sync"
)

// OnIssue has f told of the cookie's value of each id that is made from now on.
func OnIssue(f func(value string)) {
	var mu sync.Mutex
	make1 := newID
	newID = func() id {
		i := make1()
		mu.Lock()
		defer mu.Unlock()
		f(i.cookie())
		return i
	}
}
