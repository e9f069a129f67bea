package proxy

import (
	"context"
	"errors"
	"fmt"

	"github.com/sojourn-go/sojourn/conformance"
)

// Break makes the suite's faults: it is a conformance.Subject's Break.
//
// What it cannot make is an error that wraps [errors.ErrUnsupported]: without a
// protocol to lose a request or a reply, and [conformance.Reject], for which only the
// author of a store can have the server answer with errors. [Errors] then counts them.
func (p *Proxy) Break(_ context.Context, f conformance.Fault) (undo func() int, err error) {
	kind, ok := map[conformance.FaultKind]Kind{
		conformance.Refuse:      Refuse,
		conformance.Hang:        DropRequests,
		conformance.LoseRequest: LoseRequest,
		conformance.LoseReply:   LoseReply,
	}[f.Kind]
	p.mu.Lock()
	ok = ok && (p.protocol != nil || kind == Refuse || kind == DropRequests)
	p.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("proxy: fault %q: %w", f.Kind, errors.ErrUnsupported)
	}
	return p.Fail(Fault{Kind: kind, Between: f.Between}), nil
}
