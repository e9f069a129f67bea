package memory

// heap holds the sessions of a shard, the one that is due first in front. Each has
// up to four children, which are due no earlier. The times stand in the heap
// itself, and the children of one side by side: to look at them costs no way to
// the sessions.
//
// A session is due no later than it expires, and it may well be earlier: a life
// made longer changes nothing here. A session that is due but live is put back
// when its turn comes, once in a lifetime and not with each touch.
type heap []due

type due struct {
	at int64
	*session
}

const children = 4

func (h *heap) add(x *session) {
	*h = append(*h, due{})
	h.up(len(*h)-1, due{x.deadline, x})
}

func (h *heap) remove(x *session) {
	last := len(*h) - 1
	d := (*h)[last]
	(*h)[last] = due{}
	*h = (*h)[:last]
	if place := int(x.place); place < last {
		h.put(place, d)
	}
}

// expire gives x a new deadline.
func (h *heap) expire(x *session, deadline int64) {
	x.deadline = deadline
	if at := int(x.place); deadline < (*h)[at].at {
		h.up(at, due{deadline, x})
	}
}

// next removes nothing and returns a session that has expired, if there is one. It
// takes up to looks of those that are due and puts back those that live; left is
// how many looks remain.
func (h *heap) next(now int64, looks int) (x *session, left int) {
	for looks > 0 && len(*h) > 0 && (*h)[0].at <= now {
		looks--
		x := (*h)[0].session
		if x.deadline <= now {
			return x, looks
		}
		h.down(0, due{x.deadline, x})
	}
	return nil, looks
}

// put puts d at i, or where it belongs above or below of that.
func (h *heap) put(i int, d due) {
	if i > 0 && d.at < (*h)[(i-1)/children].at {
		h.up(i, d)
	} else {
		h.down(i, d)
	}
}

func (h *heap) up(i int, d due) {
	for i > 0 {
		parent := (i - 1) / children
		if (*h)[parent].at <= d.at {
			break
		}
		h.set(i, (*h)[parent])
		i = parent
	}
	h.set(i, d)
}

func (h *heap) down(i int, d due) {
	for {
		first := children*i + 1
		if first >= len(*h) {
			break
		}
		below := (*h)[first:min(first+children, len(*h))]
		least := 0
		for j := range below {
			if below[j].at < below[least].at {
				least = j
			}
		}
		if d.at <= below[least].at {
			break
		}
		h.set(i, below[least])
		i = first + least
	}
	h.set(i, d)
}

func (h *heap) set(i int, d due) {
	(*h)[i] = d
	d.place = uint32(i)
}

// expired counts the sessions from place i on that have expired. It looks at those
// that are due and their children, and gives up after most of them: then seen is
// over most.
func (h heap) expired(i int, now int64, most int) (n, seen int) {
	if i >= len(h) || h[i].at > now {
		return 0, 0
	}
	seen = 1
	if h[i].deadline <= now {
		n = 1
	}
	for c := children*i + 1; c <= children*i+children && seen <= most; c++ {
		more, also := h.expired(c, now, most-seen)
		n, seen = n+more, seen+also
	}
	return n, seen
}
