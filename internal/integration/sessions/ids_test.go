package sessions_test

import "sync"

// ids are all that any site here has given to a browser.
var ids struct {
	sync.Mutex
	all []string
}

func issued(id string) {
	ids.Lock()
	defer ids.Unlock()
	ids.all = append(ids.all, id)
}
